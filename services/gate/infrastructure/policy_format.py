"""How policies are kept in a row: JSON bytes. Knows no table."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import orjson

from gate.domain.policy import DEFAULT_POLICY, FailureThreshold, Pace, Policy
from gate.domain.quiet_hours import QuietHours, Window
from gate.domain.words import Category

_KINDS_OF_DAY = ("weekdays", "saturdays", "sundays")


def encode(policy: Policy) -> bytes:
    """Return a policy as JSON; times in microseconds."""
    pace, threshold = policy.pace, policy.failure_threshold
    return orjson.dumps(
        {
            "pace": None if pace is None else [pace.gap, pace.jitter, pace.burst],
            "hourly_cap": policy.hourly_cap,
            "daily_cap": policy.daily_cap,
            "approval_ttl": _span(policy.approval_ttl),
            "duplicate_window": _span(policy.duplicate_window),
            "failure_threshold": [threshold.share, threshold.minimum_sends, threshold.minimum_failures],
            "cooldown_steps": [_span(step) for step in policy.cooldown_steps],
            "retry_unknown": sorted(policy.retry_unknown),
            "quiet_hours": None if policy.quiet_hours is None else _quiet_hours(policy.quiet_hours),
        }
    )


@lru_cache(maxsize=1024)
def decode(document: bytes | None) -> Policy:
    """Return the policy of a document; without one, the default."""
    if document is None:
        return DEFAULT_POLICY
    kept: dict[str, Any] = orjson.loads(document)
    share, minimum_sends, minimum_failures = kept["failure_threshold"]
    return Policy(
        pace=Pace(**dict(zip(("gap", "jitter", "burst"), kept["pace"], strict=True))) if kept["pace"] else None,
        hourly_cap=kept["hourly_cap"],
        daily_cap=kept["daily_cap"],
        approval_ttl=timedelta(microseconds=kept["approval_ttl"]),
        duplicate_window=timedelta(microseconds=kept["duplicate_window"]),
        failure_threshold=FailureThreshold(share=share, minimum_sends=minimum_sends, minimum_failures=minimum_failures),
        cooldown_steps=tuple(timedelta(microseconds=step) for step in kept["cooldown_steps"]),
        retry_unknown=frozenset(Category(category) for category in kept["retry_unknown"]),
        quiet_hours=_read_quiet_hours(kept["quiet_hours"]) if kept.get("quiet_hours") else None,
    )


def _span(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _quiet_hours(hours: QuietHours) -> dict[str, Any]:
    return {
        **{day: None if (at := getattr(hours, day)) is None else [at.start, at.end] for day in _KINDS_OF_DAY},
        "categories": sorted(hours.categories),
        "holidays": sorted(hours.holidays),
    }


def _read_quiet_hours(kept: dict[str, Any]) -> QuietHours:
    return QuietHours(
        **{day: Window(start=kept[day][0], end=kept[day][1]) if kept[day] else None for day in _KINDS_OF_DAY},
        categories=frozenset(Category(category) for category in kept["categories"]),
        holidays=frozenset(date.fromisoformat(day) for day in kept["holidays"]),
    )
