"""The words of the executor: states, outcomes, facts and signals. Knows no transition between them."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    READY = "READY"
    SENDING = "SENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    RETURNED = "RETURNED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    DEAD = "DEAD"


class AttemptOutcome(StrEnum):
    """What one attempt came to."""

    SENT = "SENT"
    RETRYABLE = "RETRYABLE"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    ABORTED = "ABORTED"


class Resolution(StrEnum):
    """What really happened to a send without a definite answer."""

    SENT = "SENT"
    NOT_SENT = "NOT_SENT"
    RESEND = "RESEND"


class CancelOutcome(StrEnum):
    """What became of one cancellation."""

    CANCELED = "CANCELED"
    TOO_LATE = "TOO_LATE"


class EraseOutcome(StrEnum):
    """What became of a job that was to be forgotten."""

    ERASED = "ERASED"
    CANCELED = "CANCELED"
    SENDING = "SENDING"


class DeliveryStatus(StrEnum):
    """What the provider says became of a message it took."""

    SENT = "SENT"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"
    READ = "READ"

    @property
    def rank(self) -> int:
        """Statuses come late, twice and out of order: the highest rank is the truth."""
        return _RANKS[self]


_RANKS = {status: rank for rank, status in enumerate(DeliveryStatus, start=1)}


class FactType(StrEnum):
    """What goes on the timeline."""

    SEND_STARTED = "MESSAGE_SEND_STARTED"
    SENT = "MESSAGE_SENT"
    FAILED = "MESSAGE_FAILED"
    RETRY_SCHEDULED = "MESSAGE_RETRY_SCHEDULED"
    HELD = "MESSAGE_HELD"
    SEND_ABORTED = "MESSAGE_SEND_ABORTED"
    OUTCOME_UNKNOWN = "MESSAGE_OUTCOME_UNKNOWN"
    OUTCOME_RESOLVED = "MESSAGE_OUTCOME_RESOLVED"
    RETURNED = "MESSAGE_RETURNED"
    RETRY_REQUESTED = "MESSAGE_RETRY_REQUESTED"
    DELIVERED = "MESSAGE_DELIVERED"
    READ = "MESSAGE_READ"
    CANCELED = "MESSAGE_CANCELED"
    EXPIRED = "MESSAGE_EXPIRED"


class SignalKind(StrEnum):
    """What the gate is told about instances and recipients."""

    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"
    SPAM_LIMIT = "SPAM_LIMIT"
    RATE_LIMITED = "RATE_LIMITED"
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    OPTED_OUT = "OPTED_OUT"


class Reason(StrEnum):
    """Why a job waits or ended, by the executor's own words. Providers' tables have words of theirs."""

    OPS_PAUSED = "OPS_PAUSED"
    CONTROL_UNREACHABLE = "CONTROL_UNREACHABLE"
    PERMIT_LAPSED = "PERMIT_LAPSED"
    PERMIT_REVOKED = "PERMIT_REVOKED"
    TAKE_UNCONFIRMED = "TAKE_UNCONFIRMED"
    STOPPED = "STOPPED"
    LEASE_LAPSED = "LEASE_LAPSED"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    RETRY_REQUESTED = "RETRY_REQUESTED"
    RESEND = "RESEND"
    NOT_SENT = "NOT_SENT"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    FORGOTTEN = "FORGOTTEN"
    PROVIDER_NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
    ADAPTER_ERROR = "ADAPTER_ERROR"


SYSTEM = "system"
PROVIDER = "provider"
EXECUTOR = "executor"
