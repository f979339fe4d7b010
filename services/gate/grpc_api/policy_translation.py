"""Policies in protos, and back. An unset limit is no limit; an unset time is its default."""

from collections.abc import Sequence
from datetime import date, timedelta

from google.protobuf.duration_pb2 import Duration

from gate.domain.policy import DEFAULT_COOLDOWN_STEPS, DEFAULT_FAILURE_THRESHOLD, FailureThreshold, Pace, Policy
from gate.domain.quiet_hours import DEFAULT_QUIET, QuietHours, Window
from gate.domain.schedule import SECOND
from gate.grpc_api.translation import CATEGORY_FROM_PROTO, CATEGORY_TO_PROTO
from kernel.errors import Violation, invalid
from whatlead.gate.v1 import policy_pb2


def policy_from_proto(given: policy_pb2.Policy) -> Policy:
    """Return a policy whose fields were checked. Raises Failure INVALID_ARGUMENT for a date that is none."""
    default = Policy()
    threshold = DEFAULT_FAILURE_THRESHOLD
    if given.HasField("failure_threshold"):
        threshold = FailureThreshold(
            share=given.failure_threshold.share,
            minimum_sends=given.failure_threshold.minimum_sends,
            minimum_failures=given.failure_threshold.minimum_failures,
        )
    return Policy(
        pace=_pace(given.pace) if given.HasField("pace") else None,
        hourly_cap=given.hourly_cap if given.HasField("hourly_cap") else None,
        daily_cap=given.daily_cap if given.HasField("daily_cap") else None,
        approval_ttl=given.approval_ttl.ToTimedelta() if given.HasField("approval_ttl") else default.approval_ttl,
        duplicate_window=(
            given.duplicate_window.ToTimedelta() if given.HasField("duplicate_window") else default.duplicate_window
        ),
        failure_threshold=threshold,
        cooldown_steps=tuple(step.ToTimedelta() for step in given.cooldown_steps) or DEFAULT_COOLDOWN_STEPS,
        retry_unknown=frozenset(CATEGORY_FROM_PROTO[category] for category in given.retry_unknown),
        quiet_hours=_quiet_hours(given.quiet_hours) if given.HasField("quiet_hours") else None,
    )


def _quiet_hours(given: policy_pb2.QuietHours) -> QuietHours:
    return QuietHours(
        weekdays=_window(given.weekdays) if given.HasField("weekdays") else None,
        saturdays=_window(given.saturdays) if given.HasField("saturdays") else None,
        sundays=_window(given.sundays) if given.HasField("sundays") else None,
        categories=frozenset(CATEGORY_FROM_PROTO[category] for category in given.categories) or DEFAULT_QUIET,
        holidays=_dates(given.holidays),
    )


def _window(given: policy_pb2.Window) -> Window:
    return Window(start=_minutes(given.start), end=_minutes(given.end))


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


def _dates(given: Sequence[str]) -> frozenset[date]:
    dates, violations = set(), []
    for place, day in enumerate(given):
        try:
            dates.add(date.fromisoformat(day))
        except ValueError:
            field = f"policy.quiet_hours.holidays[{place}]"
            violations.append(Violation(field=field, description="must be a date, as 2027-02-09"))
    if violations:
        raise invalid(*violations)
    return frozenset(dates)


def _pace(given: policy_pb2.Pace) -> Pace:
    return Pace(gap=_microseconds(given.gap), jitter=_microseconds(given.jitter), burst=given.burst or 1)


def policy_to_proto(policy: Policy) -> policy_pb2.Policy:
    """Return a policy with every default written out."""
    pace, threshold = policy.pace, policy.failure_threshold
    return policy_pb2.Policy(
        pace=(
            policy_pb2.Pace(gap=_duration(pace.gap), jitter=_duration(pace.jitter), burst=pace.burst)
            if pace is not None
            else None
        ),
        hourly_cap=policy.hourly_cap,
        daily_cap=policy.daily_cap,
        approval_ttl=_of(policy.approval_ttl),
        duplicate_window=_of(policy.duplicate_window),
        failure_threshold=policy_pb2.FailureThreshold(
            share=threshold.share,
            minimum_sends=threshold.minimum_sends,
            minimum_failures=threshold.minimum_failures,
        ),
        cooldown_steps=[_of(step) for step in policy.cooldown_steps],
        retry_unknown=sorted(CATEGORY_TO_PROTO[category] for category in policy.retry_unknown),
        quiet_hours=_quiet_hours_to_proto(policy.quiet_hours) if policy.quiet_hours is not None else None,
    )


def _quiet_hours_to_proto(hours: QuietHours) -> policy_pb2.QuietHours:
    return policy_pb2.QuietHours(
        weekdays=_window_to_proto(hours.weekdays),
        saturdays=_window_to_proto(hours.saturdays),
        sundays=_window_to_proto(hours.sundays),
        categories=sorted(CATEGORY_TO_PROTO[category] for category in hours.categories),
        holidays=[day.isoformat() for day in sorted(hours.holidays)],
    )


def _window_to_proto(window: Window | None) -> policy_pb2.Window | None:
    if window is None:
        return None
    return policy_pb2.Window(start=_time(window.start), end=_time(window.end))


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _microseconds(duration: Duration) -> int:
    return duration.seconds * SECOND + duration.nanos // 1000


def _duration(microseconds: int) -> Duration:
    return Duration(seconds=microseconds // SECOND, nanos=microseconds % SECOND * 1000)


def _of(duration: timedelta) -> Duration:
    return _duration(duration // timedelta(microseconds=1))
