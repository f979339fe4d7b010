"""Resume: lift one pause and say which others remain. Knows nothing of what waits for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from control.application.ports import Change, Changes, Pauses
from control.domain.authority import Caller, demand_may_lift
from control.domain.coverage import overlaps
from control.domain.pause import PLATFORM, Pause, State
from kernel.errors import Failure, Kind, not_found
from kernel.ids import ControlId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A resume as it was asked for."""

    request_id: str
    control_id: ControlId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """The pause that no longer holds, and the live ones that some send in its scope still meets."""

    pause: Pause
    remaining: Sequence[Pause]


async def resume(
    lift: Lift, caller: Caller, *, changes: Changes, pauses: Pauses, committed: Callable[[], None]
) -> Lifted:
    """Lift the pause; asked again with the same request id, answer the same.

    A pause whose fence does not stand yet may be lifted; it is then never fenced. For a pause of the platform only
    those of the platform are named as remaining.
    """
    known = await pauses.find(lift.control_id, {caller.organization_id, PLATFORM})
    if known is None:
        raise not_found("the pause")
    demand_may_lift(known, caller)
    async with changes.change(known.organization_id) as change:
        lifted = await _lifted(lift, caller, change)
    committed()
    live = await pauses.live({lifted.organization_id, PLATFORM})
    return Lifted(pause=lifted, remaining=[one for one in live if overlaps(one, lifted)])


async def _lifted(lift: Lift, caller: Caller, change: Change) -> Pause:
    earlier = await change.find_lifted(lift.request_id)
    if earlier is not None:
        if earlier.control_id != lift.control_id or earlier.ending is None or earlier.ending.reason != lift.reason:
            raise Failure(
                Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED", "this request id already made a resume with other content"
            )
        return earlier
    found = await change.find(lift.control_id)
    if found is None:
        raise not_found("the pause")
    if not found.state.is_live:
        raise _over(found)
    lifted = found.resume(
        version=change.next_version,
        at=change.now,
        by=caller.subject,
        reason=lift.reason,
        request_id=lift.request_id,
    )
    await change.write(lifted)
    return lifted


def _over(pause: Pause) -> Failure:
    how = "RESUMED by another request" if pause.state is State.RESUMED else "EXPIRED"
    return Failure(Kind.FAILED_PRECONDITION, "WRONG_STATE", f"the pause is {how}")
