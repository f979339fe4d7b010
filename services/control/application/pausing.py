"""Pause: commit it, then wait for its fence. Knows not how a fence comes to stand."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from uuid import UUID

from control.application.ports import Change, Changes, Fences, Seen
from control.domain.authority import Requester, Wish, demand_reasonable_end, order_of
from control.domain.etag import Etag
from control.domain.pause import PLATFORM, Order, Pause, State
from kernel.errors import Failure, Kind
from kernel.ids import ControlId


class Wait(StrEnum):
    """What a caller wants to wait for."""

    FENCED = "FENCED"
    COMMITTED = "COMMITTED"


async def pause(
    wish: Wish,
    requester: Requester,
    wait: Wait,
    *,
    changes: Changes,
    fences: Fences,
    new_id: Callable[[], UUID],
    committed: Callable[[], None],
) -> Seen:
    """Return the pause, FENCED or, with Wait.COMMITTED, perhaps still PAUSING.

    If the caller goes away the pause stands and is fenced all the same. Raises Failure ABORTED if it ended meanwhile.
    """
    seen = await _commit(order_of(wish, requester), changes=changes, fences=fences, new_id=new_id, committed=committed)
    found = seen.pause
    if found.state is State.PAUSING and wait is Wait.FENCED:
        found = await fences.settled(found)
    if not found.state.is_live:
        raise _ended(found)
    return replace(seen, pause=found)


async def _commit(
    order: Order, *, changes: Changes, fences: Fences, new_id: Callable[[], UUID], committed: Callable[[], None]
) -> Seen:
    async with changes.change(order.organization_id) as change:
        known = await change.find_ordered(peer=order.peer, request_id=order.request_id)
        if known is not None:
            return _seen(_same(known, order), change)
        demand_reasonable_end(order, change.now)
        control_id = ControlId(new_id())
        begun = Pause.begin(
            order, control_id=control_id, version=change.next_version, ttl_max=change.ttl_max, at=change.now
        )
        await change.write(begun)
    fences.committed(begun)  # nothing is awaited since the commit was acknowledged
    committed()
    return _seen(begun, change)


def _seen(pause: Pause, change: Change) -> Seen:
    """Return the pause as of its begin: whatever began later, whoever asked for it has not seen."""
    platform = pause.begun_version if pause.organization_id == PLATFORM else change.platform_version
    etag = Etag(organization_version=pause.begun_version, platform_version=platform)
    return Seen(pause=pause, etag=etag, at=change.now)


def _same(known: Pause, order: Order) -> Pause:
    if known.order.content != order.content:
        raise Failure(
            Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED", "this request id already made a pause with other content"
        )
    return known


def _ended(pause: Pause) -> Failure:
    how = "resumed" if pause.state is State.RESUMED else "expired"
    return Failure(Kind.ABORTED, "WRONG_STATE", f"the pause {pause.control_id} was {how} and halts nothing any more")
