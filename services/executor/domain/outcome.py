"""What a provider's answer means: a closed union. Knows no provider and no job."""

from dataclasses import dataclass

from executor.domain.words import SignalKind
from kernel.values import value


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The wait before another try, in seconds: full jitter below `first` times `factor` per try, up to `cap`."""

    first: float
    cap: float
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.cap or self.factor < 1:
            raise ValueError("a backoff grows from above 0 up to its cap")


DEFAULT_BACKOFF = Backoff(first=2.0, cap=300.0)


@value
class Sent:
    """A definite yes."""

    provider_message_id: str


@value
class Retryable:
    """Definitely not sent; worth another try. `retry_after` is the provider's own wish, in seconds."""

    reason: str
    provider_code: str = ""
    retry_after: float | None = None
    backoff: Backoff = DEFAULT_BACKOFF
    signal: SignalKind | None = None


@value
class Rejected:
    """Definitely not sent, and never will be."""

    reason: str
    provider_code: str = ""
    signal: SignalKind | None = None


@value
class Unknown:
    """No definite answer: it may have been sent."""

    reason: str


Outcome = Sent | Retryable | Rejected | Unknown


class PermitLapsedError(Exception):
    """Raised at the last hook when the permit is over: not one byte has left, and none may."""


class PermitRevokedError(PermitLapsedError):
    """Raised there when a pause was heard of that the permit is older than."""
