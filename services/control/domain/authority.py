"""Who may pause and lift what, once it is known who asks. Knows no token and no call."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from control.domain.pause import PLATFORM, Order, Pause, Scope, Source
from kernel.errors import Failure, Kind, Violation, invalid
from kernel.ids import OrganizationId

LONGEST_PAUSE = timedelta(days=366)
_AUTOMATIC = (Source.AUTO, Source.PROVIDER)


class Role(StrEnum):
    """What a caller may do in its organization."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person or backend of one organization."""

    subject: str
    organization_id: OrganizationId
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another service of this installation."""

    service: str


Requester = Caller | Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A pause as it was asked for. `organization_id` and `source` are what only a peer may say."""

    request_id: str
    scope: Scope
    target: str
    reason: str
    paused_until: datetime | None
    organization_id: str
    source: Source | None


def order_of(wish: Wish, requester: Requester) -> Order:
    """Return the pause that `requester` may ask for, or raise Failure: PERMISSION_DENIED, or every bad field."""
    if not _may_pause(wish.scope, requester):
        raise _denied(f"this role may not pause scope {wish.scope}")
    if violations := tuple(_violations(wish, requester)):
        raise invalid(*violations)
    match requester:
        case Caller(subject=subject, organization_id=organization_id):
            source = Source.PLATFORM if wish.scope is Scope.PLATFORM else Source.MANUAL
            owner, paused_by, peer = organization_id, subject, ""
        case Peer(service=service):
            source = wish.source or Source.AUTO
            owner, paused_by, peer = OrganizationId(wish.organization_id), service, service
        case _:
            assert_never(requester)
    return Order(
        organization_id=PLATFORM if wish.scope is Scope.PLATFORM else owner,
        scope=wish.scope,
        target=wish.target,
        reason=wish.reason,
        source=source,
        paused_until=wish.paused_until,
        paused_by=paused_by,
        peer=peer,
        request_id=wish.request_id,
    )


def demand_reasonable_end(order: Order, now: datetime) -> None:
    """Raise Failure INVALID_ARGUMENT if it would end in the past or after more than a year."""
    if order.paused_until is None:
        return
    if order.paused_until <= now:
        raise invalid(Violation(field="paused_until", description="must be in the future"))
    if order.paused_until > now + LONGEST_PAUSE:
        raise invalid(Violation(field="paused_until", description="must be at most 1 year ahead"))


def visible_to(requester: Requester) -> frozenset[OrganizationId] | None:
    """Return whose pauses `requester` may see; none for all of them."""
    match requester:
        case Caller(organization_id=organization_id):
            return frozenset((organization_id, PLATFORM))
        case Peer():
            return None
        case _:
            assert_never(requester)


def demand_may_lift(pause: Pause, requester: Requester) -> None:
    """Raise Failure PERMISSION_DENIED unless `requester`, who sees the pause, may lift it."""
    match requester:
        case Caller(role=Role.PLATFORM):
            allowed = pause.order.scope is Scope.PLATFORM
        case Caller(role=Role.OWNER | Role.ADMIN):
            allowed = pause.order.scope is not Scope.PLATFORM
        case Caller() | Peer():
            allowed = False
        case _:
            assert_never(requester)
    if not allowed:
        raise _denied(f"this role may not lift a pause of scope {pause.order.scope}")


def _may_pause(scope: Scope, requester: Requester) -> bool:
    match requester:
        case Peer():
            return scope is not Scope.PLATFORM
        case Caller(role=Role.PLATFORM):
            return scope is Scope.PLATFORM
        case Caller(role=Role.OWNER | Role.ADMIN):
            return scope is not Scope.PLATFORM
        case Caller(role=Role.MEMBER):
            return scope.has_target
        case _:
            return False


def _violations(wish: Wish, requester: Requester) -> Iterator[Violation]:
    if wish.scope.has_target and not wish.target:
        yield Violation(field="target", description=f"must name the {wish.scope.lower()}")
    if wish.target and not wish.scope.has_target:
        yield Violation(field="target", description=f"must be empty for scope {wish.scope}")
    match requester:
        case Caller():
            if wish.organization_id:
                yield Violation(field="organization_id", description="must be empty: it is taken from the token")
            if wish.source is not None:
                yield Violation(field="source", description="must not be given: it is for services only")
        case Peer():
            if not wish.organization_id:
                yield Violation(field="organization_id", description="must name the organization")
            if wish.source not in _AUTOMATIC:
                yield Violation(field="source", description="must be AUTO or PROVIDER")
        case _:
            assert_never(requester)


def _denied(message: str) -> Failure:
    return Failure(Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", message)
