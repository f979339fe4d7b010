"""The loop that ends pauses whose time is over, on the clock of the database. While it is down they hold on.

Nobody else compares `paused_until` with anything. Knows no request.
"""

import asyncio
from collections.abc import Callable

from control.application.ports import Changes, Deadlines
from control.application.waiting import wait_for_any
from control.domain.pause import Pause
from kernel.clock import Clock
from kernel.errors import Failure

_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 0.1


async def expire_pauses(
    stop: asyncio.Event,
    *,
    changes: Changes,
    deadlines: Deadlines,
    clock: Clock,
    hint: asyncio.Event,
    committed: Callable[[], None],
    failed: Callable[[Failure], None],
) -> None:
    """End each pause when it is due, until `stop`. A hint makes it look for one that is due earlier than it knows."""
    while not stop.is_set():
        hint.clear()
        try:
            agenda = await deadlines.agenda()
            for due in agenda.due:
                await _expire(due, changes)
            if agenda.due:
                committed()
            seconds = 0.0 if agenda.due else min(_LOOK_SECONDS, agenda.next_in or _LOOK_SECONDS)
        except Failure as failure:
            failed(failure)
            seconds = _RETRY_SECONDS
        await wait_for_any(stop, hint, clock=clock, seconds=seconds)


async def _expire(due: Pause, changes: Changes) -> None:
    async with changes.change(due.organization_id) as change:
        found = await change.find(due.control_id)
        if found is not None and found.is_due(change.now):
            await change.write(found.expire(version=change.next_version, at=change.now))
