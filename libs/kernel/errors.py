"""The one way to say "could not": a kind that callers act on and a reason they can look up. Knows no wire format."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a caller can do about a failure; each maps to one gRPC status."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One bad field: its path as the caller wrote it, and what to do about it."""

    field: str
    description: str


class Failure(Exception):
    """Tell a caller that a call could not be done, why, and what to do next.

    `reason` is a name of `whatlead.error.v1.Reason` without its prefix. `retry_after` is set where a retry can help.
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        message: str,
        *,
        violations: tuple[Violation, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = reason
        self.message = message
        self.violations = violations
        self.retry_after = retry_after

    def __str__(self) -> str:
        details = "".join(f"; {violation.field}: {violation.description}" for violation in self.violations)
        return f"{self.reason}: {self.message}{details}"


def invalid(*violations: Violation) -> Failure:
    """Refuse a call for its fields, naming every bad one."""
    return Failure(Kind.INVALID_ARGUMENT, "INVALID_FIELD", "the request has invalid fields", violations=violations)


def not_found(what: str) -> Failure:
    """Answer for what is not there and for what belongs to somebody else, in the same words."""
    return Failure(Kind.NOT_FOUND, "NOT_FOUND", f"{what} not found")
