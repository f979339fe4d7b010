"""Resume: lift the named pauses, all or none, and say which others remain. Knows nothing of what waits for them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from control.application.ports import Change, Changes, Pauses, Seen
from control.domain.authority import Caller, demand_may_lift
from control.domain.coverage import overlaps
from control.domain.etag import Etag
from control.domain.pause import PLATFORM, Pause, State
from control.domain.resumption import Canary, Plan
from kernel.errors import Failure, Kind, Violation, invalid, not_found
from kernel.ids import ControlId, OrganizationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A resume as it was asked for: distinct pauses, and the etag of them as they were read."""

    request_id: str
    control_ids: Sequence[ControlId]
    etag: Etag
    reason: str
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """The pauses that no longer hold, in the order of the request, and the live ones that overlap them."""

    pauses: Sequence[Seen]
    remaining: Sequence[Seen]


async def resume(
    lift: Lift, caller: Caller, *, changes: Changes, pauses: Pauses, committed: Callable[[], None]
) -> Lifted:
    """Lift the pauses; asked again with the same request id, answer the same.

    A pause whose fence does not stand yet may be lifted; it is then never fenced. For pauses of the platform only those
    of the platform are looked at. Raises Failure ABORTED if one that overlaps has begun since the etag and is live.
    """
    seen = await pauses.read(lift.control_ids, {caller.organization_id, PLATFORM})
    known = {one.pause.control_id: one.pause for one in seen}
    for control_id in lift.control_ids:
        if control_id not in known:
            raise not_found(f"the pause {control_id}")
        demand_may_lift(known[control_id], caller)
    # No role may lift both an organization's and the platform's, so they are all of one.
    owner = known[lift.control_ids[0]].organization_id
    async with changes.change(owner) as change:
        await _lift(lift, caller, change)
    committed()
    lifted = {one.pause.control_id: one for one in await pauses.read(lift.control_ids, {owner})}
    live = await pauses.live({owner, PLATFORM})
    return Lifted(
        pauses=[lifted[control_id] for control_id in lift.control_ids],
        remaining=[one for one in live if _overlaps_any(one.pause, known.values())],
    )


async def _lift(lift: Lift, caller: Caller, change: Change) -> None:
    if earlier := await change.find_lifted(lift.request_id):
        _demand_same(earlier, lift)
        return
    live = {pause.control_id: pause for pause in await change.live()}
    for control_id in lift.control_ids:
        if control_id not in live:
            raise _over(control_id, await change.find(control_id))
    named = [live[control_id] for control_id in sorted(lift.control_ids)]
    overlapping = [pause for pause in live.values() if _overlaps_any(pause, named)]
    _demand_all_seen(lift.etag, named[0].organization_id, overlapping, change)
    if isinstance(lift.plan, Canary):
        _demand_one_scope(named)
    for pause in named:
        await change.cut_short(pause)  # the newest plan counts
    for pause in named:
        lifted = pause.resume(
            version=change.next_version,
            at=change.now,
            by=caller.subject,
            reason=lift.reason,
            request_id=lift.request_id,
            plan=lift.plan,
        )
        await change.write(lifted)


def _demand_same(earlier: Sequence[Pause], lift: Lift) -> None:
    asked = {(control_id, lift.reason, lift.plan) for control_id in lift.control_ids}
    made = {
        (pause.control_id, pause.ending.reason, pause.resumption.plan)
        for pause in earlier
        if pause.ending is not None and pause.resumption is not None
    }
    if made != asked:
        raise Failure(
            Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED", "this request id already made a resume with other content"
        )


def _is_ahead(etag: Etag, owner: OrganizationId, change: Change) -> bool:
    if owner == PLATFORM:
        return etag.platform_version >= change.next_version
    return etag.organization_version >= change.next_version or etag.platform_version > change.platform_version


def _demand_all_seen(etag: Etag, owner: OrganizationId, overlapping: Sequence[Pause], change: Change) -> None:
    """Raise Failure ABORTED if a pause began after the read, or the etag is ahead of anything that could be read."""
    unseen = [pause for pause in overlapping if etag.precedes(pause)]
    if not unseen and not _is_ahead(etag, owner, change):
        return
    newest_first = sorted(overlapping, key=lambda pause: (not etag.precedes(pause), pause.control_id))
    violations = tuple(Violation(field=str(pause.control_id), description=_words(pause)) for pause in newest_first)
    cause = "another pause began since the etag was read" if unseen else "the etag is of no read of these pauses"
    raise Failure(
        Kind.ABORTED,
        "ETAG_MISMATCH",
        f"nothing was lifted: {cause}; look again and decide anew",
        violations=violations,
    )


def _demand_one_scope(named: Sequence[Pause]) -> None:
    """Raise Failure INVALID_ARGUMENT if two of the pauses overlap: their canaries would follow one another."""
    for place, pause in enumerate(named):
        if _overlaps_any(pause, named[:place]):
            raise invalid(
                Violation(
                    field="canary",
                    description=f"pause {pause.control_id} overlaps another that is named; lift all but one of them"
                    " immediately (nothing goes on while one stands), then that one with the canary",
                )
            )


def _words(pause: Pause) -> str:
    order = pause.order
    what = f"{order.scope} {order.target}" if order.target else order.scope.value
    return f"{what}, {order.source} by {order.paused_by}: {order.reason}"


def _overlaps_any(pause: Pause, others: Iterable[Pause]) -> bool:
    return any(overlaps(pause, other) for other in others)


def _over(control_id: ControlId, pause: Pause | None) -> Failure:
    if pause is None:
        return not_found(f"the pause {control_id}")
    how = "RESUMED by another request" if pause.state is State.RESUMED else "EXPIRED"
    return Failure(Kind.FAILED_PRECONDITION, "WRONG_STATE", f"the pause {control_id} is {how}")
