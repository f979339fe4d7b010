"""When an instance has to cool down, and for how long. Knows counts and thresholds, not where they come from."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import sqrt

from gate.domain.facts import Cooldown
from gate.domain.policy import FailureThreshold, Policy

WINDOW = timedelta(hours=1)
ESCALATION_MEMORY = timedelta(days=7)
_Z = 1.96


class CooldownReason(StrEnum):
    """What starts a cooldown."""

    SPAM_LIMIT = "SPAM_LIMIT"
    FAILURE_SHARE = "FAILURE_SHARE"


class SignalKind(StrEnum):
    """What is reported about an instance or a recipient."""

    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"
    SPAM_LIMIT = "SPAM_LIMIT"
    RATE_LIMITED = "RATE_LIMITED"
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    OPTED_OUT = "OPTED_OUT"
    DISCONNECTED = "DISCONNECTED"
    CONNECTED = "CONNECTED"


def wilson_lower_bound(events: int, trials: int) -> float:
    """Return the share that `events` among `trials` is at least, with 95 % confidence."""
    if trials <= 0:
        return 0.0
    share = min(events, trials) / trials
    spread = _Z * sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, (share + _Z**2 / (2 * trials) - spread) / (1 + _Z**2 / trials))


def is_failing(failures: int, sends: int, threshold: FailureThreshold) -> bool:
    """Tell whether the share of failures is over the threshold, beyond what chance explains."""
    return (
        sends >= threshold.minimum_sends
        and failures >= threshold.minimum_failures
        and wilson_lower_bound(failures, sends) > threshold.share
    )


def next_cooldown(
    *, reason: CooldownReason, policy: Policy, earlier_starts: Sequence[datetime], now: datetime
) -> Cooldown:
    """Return the cooldown that starts now; each one within 7 days of others is longer, up to the last step."""
    recent = sum(1 for start in earlier_starts if start > now - ESCALATION_MEMORY)
    level = min(recent + 1, len(policy.cooldown_steps))
    return Cooldown(reason=reason.value, level=level, start_time=now, end_time=now + policy.cooldown_steps[level - 1])
