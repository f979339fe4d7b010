"""Who is calling: a backend by its token or a service by its certificate. Knows not how either was verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from kernel.errors import Failure, Kind


class Role(StrEnum):
    """What a caller may do within its organization; PLATFORM is for those who run the installation."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A backend or person, as a verified token names it. `organization_id` is empty only for PLATFORM."""

    subject: str
    organization_id: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A service of this installation, as its client certificate names it."""

    service: str


Identity = Caller | Peer

_identity: ContextVar[Identity | None] = ContextVar("identity", default=None)


def current_identity() -> Identity:
    """Return who makes the call being served. Raises Failure UNAUTHENTICATED outside of a call."""
    identity = _identity.get()
    if identity is None:
        raise Failure(Kind.UNAUTHENTICATED, "UNAUTHENTICATED", "nobody is calling")
    return identity


def current_caller() -> Caller:
    """Return the backend that calls. Raises Failure PERMISSION_DENIED if a service does."""
    identity = current_identity()
    if not isinstance(identity, Caller):
        raise Failure(Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", "services may not make this call")
    return identity


def current_peer() -> Peer:
    """Return the service that calls. Raises Failure PERMISSION_DENIED if a backend does."""
    identity = current_identity()
    if not isinstance(identity, Peer):
        raise Failure(Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", "only services may make this call")
    return identity


@contextmanager
def acting_as(identity: Identity) -> Iterator[None]:
    """Make `identity` the current one for what runs inside."""
    token = _identity.set(identity)
    try:
        yield
    finally:
        _identity.reset(token)
