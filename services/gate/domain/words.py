"""The closed vocabularies of the gate. Knows nothing of how they travel or are stored."""

from enum import StrEnum


class Category(StrEnum):
    """Why a message is sent."""

    MARKETING = "MARKETING"
    UTILITY = "UTILITY"
    AUTHENTICATION = "AUTHENTICATION"
    SERVICE = "SERVICE"


class Outcome(StrEnum):
    """The verdict of a decision."""

    APPROVED = "APPROVED"
    QUEUED = "QUEUED"
    BLOCKED = "BLOCKED"


class Effect(StrEnum):
    """What one rule says."""

    PASS = "PASS"  # noqa: S105 - a verdict
    DEFER = "DEFER"
    BLOCK = "BLOCK"


class IntentState(StrEnum):
    """Where an accepted intent stands with the gate; APPROVED means handed over."""

    QUEUED = "QUEUED"
    APPROVED = "APPROVED"
    BLOCKED = "BLOCKED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class CancelOutcome(StrEnum):
    """What became of a cancellation."""

    CANCELED = "CANCELED"
    TOO_LATE = "TOO_LATE"
    NOT_FOUND = "NOT_FOUND"


class EraseOutcome(StrEnum):
    """What became of a job that the executor was asked to forget."""

    ERASED = "ERASED"
    CANCELED = "CANCELED"
    SENDING = "SENDING"


class Reason(StrEnum):
    """Why a decision is not APPROVED, or why an intent ended."""

    INTENT_EXPIRED = "INTENT_EXPIRED"
    INVALID_RECIPIENT = "INVALID_RECIPIENT"
    OPTED_OUT = "OPTED_OUT"
    DUPLICATE_CONTENT = "DUPLICATE_CONTENT"
    OPS_PAUSED = "OPS_PAUSED"
    CONTROL_UNREACHABLE = "CONTROL_UNREACHABLE"
    INSTANCE_DISCONNECTED = "INSTANCE_DISCONNECTED"
    COOLDOWN_ACTIVE = "COOLDOWN_ACTIVE"
    QUIET_HOURS = "QUIET_HOURS"
    INSTANCE_CAP = "INSTANCE_CAP"
    PACE = "PACE"
    POLICY_UNAVAILABLE = "POLICY_UNAVAILABLE"
    FORGOTTEN = "FORGOTTEN"


class Rule(StrEnum):
    """The rules, in the order in which they are judged."""

    EXPIRED = "expired"
    RECIPIENT = "recipient"
    SUPPRESSED = "suppressed"
    DUPLICATE_CONTENT = "duplicate_content"
    KILL_SWITCH = "kill_switch"
    INSTANCE = "instance"
    COOLDOWN = "cooldown"
    QUIET_HOURS = "quiet_hours"
    HOURLY_CAP = "instance_hourly_cap"
    DAILY_CAP = "instance_daily_cap"
    PACE = "instance_pace"
