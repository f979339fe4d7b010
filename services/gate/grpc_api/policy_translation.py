"""Policies in protos, and back. An unset limit is no limit; an unset time is its default."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from gate.domain.policy import DEFAULT_COOLDOWN_STEPS, DEFAULT_FAILURE_THRESHOLD, FailureThreshold, Pace, Policy
from gate.domain.schedule import SECOND
from gate.grpc_api.translation import CATEGORY_FROM_PROTO, CATEGORY_TO_PROTO
from whatlead.gate.v1 import policy_pb2


def policy_from_proto(given: policy_pb2.Policy) -> Policy:
    """Return a policy whose fields were checked."""
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
    )


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
    )


def _microseconds(duration: Duration) -> int:
    return duration.seconds * SECOND + duration.nanos // 1000


def _duration(microseconds: int) -> Duration:
    return Duration(seconds=microseconds // SECOND, nanos=microseconds % SECOND * 1000)


def _of(duration: timedelta) -> Duration:
    return _duration(duration // timedelta(microseconds=1))
