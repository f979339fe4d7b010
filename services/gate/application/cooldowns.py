"""End cooldowns whose time is over, each with its event. Starts none."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

from gate.application.changes import CooldownChange, Works
from gate.application.ports import Wake
from kernel.clock import Clock
from kernel.errors import Failure

_LOOK_AGAIN = 5.0


class Cooling(Protocol):
    """Finds instances whose cooldown is over by the database's clock."""

    async def cooled_down(self) -> Sequence[tuple[str, str]]:
        """Return them by organization and id."""
        ...

    async def next_end(self) -> float:
        """Return in how many seconds the next cooldown ends; infinity if there is none."""
        ...


async def end_cooldowns(*, cooling: Cooling, works: Works, clock: Clock, wake: Wake) -> None:
    """End what is over."""
    for organization_id, instance_id in await cooling.cooled_down():
        async with works.work() as tx:
            await tx.lock([organization_id])
            record = await tx.instances.find(organization_id, instance_id)
            if record is None or record.cooldown is None or record.cooldown.end_time > clock.now():
                continue
            end = record.cooldown.end_time
            await tx.instances.end_cooldown(organization_id, instance_id, end)
            tx.tell_cooldowns(
                [
                    CooldownChange(
                        organization_id=organization_id,
                        instance_id=instance_id,
                        cooldown=record.cooldown,
                        started=False,
                        at=end,
                        actor="system",
                    )
                ]
            )
        wake(None)


async def end_cooldowns_until(stop: asyncio.Event, *, cooling: Cooling, works: Works, clock: Clock, wake: Wake) -> None:
    """End cooldowns when they are over, until `stop`."""
    while not stop.is_set():
        pause = _LOOK_AGAIN
        with contextlib.suppress(Failure):
            await end_cooldowns(cooling=cooling, works=works, clock=clock, wake=wake)
            pause = min(pause, max(0.1, await cooling.next_end()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
