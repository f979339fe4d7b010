"""One fact as the readers see it, with everything it says. Knows nothing of bytes, columns or callers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """What happened."""

    MESSAGE_APPROVED = "MESSAGE_APPROVED"
    MESSAGE_QUEUED = "MESSAGE_QUEUED"
    MESSAGE_BLOCKED = "MESSAGE_BLOCKED"
    MESSAGE_SEND_STARTED = "MESSAGE_SEND_STARTED"
    MESSAGE_SENT = "MESSAGE_SENT"
    MESSAGE_FAILED = "MESSAGE_FAILED"
    MESSAGE_RETRY_SCHEDULED = "MESSAGE_RETRY_SCHEDULED"
    MESSAGE_HELD = "MESSAGE_HELD"
    MESSAGE_SEND_ABORTED = "MESSAGE_SEND_ABORTED"
    MESSAGE_OUTCOME_UNKNOWN = "MESSAGE_OUTCOME_UNKNOWN"
    MESSAGE_OUTCOME_RESOLVED = "MESSAGE_OUTCOME_RESOLVED"
    MESSAGE_RETURNED = "MESSAGE_RETURNED"
    MESSAGE_RETRY_REQUESTED = "MESSAGE_RETRY_REQUESTED"
    MESSAGE_DELIVERED = "MESSAGE_DELIVERED"
    MESSAGE_READ = "MESSAGE_READ"
    MESSAGE_CANCELED = "MESSAGE_CANCELED"
    MESSAGE_EXPIRED = "MESSAGE_EXPIRED"
    INSTANCE_COOLDOWN_STARTED = "INSTANCE_COOLDOWN_STARTED"
    INSTANCE_COOLDOWN_ENDED = "INSTANCE_COOLDOWN_ENDED"
    BACKLOG_MEASURED = "BACKLOG_MEASURED"
    EXECUTION_PAUSED = "EXECUTION_PAUSED"
    EXECUTION_FENCED = "EXECUTION_FENCED"
    EXECUTION_RESUMED = "EXECUTION_RESUMED"
    EXECUTION_PAUSE_EXPIRED = "EXECUTION_PAUSE_EXPIRED"
    EXECUTION_CANARY_PASSED = "EXECUTION_CANARY_PASSED"
    EXECUTION_CANARY_FAILED = "EXECUTION_CANARY_FAILED"
    SUBJECT_ERASED = "SUBJECT_ERASED"
    SUBJECT_EXPORTED = "SUBJECT_EXPORTED"
    MESSAGE_ERASED = "MESSAGE_ERASED"


class AggregateType(StrEnum):
    """What an event is about."""

    INTENT = "INTENT"
    INSTANCE = "INSTANCE"
    CONTROL = "CONTROL"
    ORGANIZATION = "ORGANIZATION"
    RECIPIENT = "RECIPIENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a verdict of the gate rests on. `tightest_limit` is empty where no limit applied."""

    number: int = 0
    rule: str = ""
    binding_limiter: str = ""
    binding_used: float = 0.0
    binding_max: float = 0.0
    policy_version: int = 0
    earliest_time: datetime | None = None
    tightest_limit: str = ""
    tightest_used: float = 0.0
    tightest_max: float = 0.0
    submitted_at: datetime | None = None
    approved_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send, from `taken_at` on. `began_at` is none if no request began to leave, or if it was cut off."""

    number: int = 0
    provider: str = ""
    provider_code: str = ""
    provider_message_id: str = ""
    taken_at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    submitted_at: datetime | None = None
    approved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The pauses that a due job met."""

    control_ids: tuple[str, ...] = ()
    pause_reason: str = ""
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a message after it left. `resolution` is `SENT`, `NOT_SENT`, `RESEND` or empty."""

    attempt_number: int = 0
    provider_message_id: str = ""
    provider_code: str = ""
    resolution: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause and what it covers. `scope` is `INSTANCE`, `CAMPAIGN`, `ORGANIZATION` or `PLATFORM`.

    `source` is `MANUAL`, `AUTO`, `PROVIDER` or `PLATFORM`; `plan` says how it goes on after a resume.
    """

    scope: str = ""
    target: str = ""
    note: str = ""
    source: str = ""
    paused_until: datetime | None = None
    paused_at: datetime | None = None
    fenced_at: datetime | None = None
    plan: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown:
    """A cooldown of an instance."""

    level: int = 0
    start_time: datetime | None = None
    end_time: datetime | None = None
    failures: int = 0
    sends: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much work waits in one service."""

    waiting: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a person's request came to."""

    note: str = ""
    intents: int = 0
    canceled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """More in words."""

    note: str = ""


Detail = Decision | Attempt | Hold | Delivery | Pause | Cooldown | Backlog | Subject | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact. `organization_id` is empty for PLATFORM facts, `sequence` 0 where there is no order."""

    event_id: str
    type: EventType
    occurred_at: datetime
    organization_id: str = ""
    aggregate_type: AggregateType = AggregateType.INTENT
    aggregate_id: str = ""
    sequence: int = 0
    producer: str = ""
    actor: str = ""
    instance_id: str = ""
    campaign_id: str = ""
    reason: str = ""
    detail: Detail = field(default_factory=Note)
