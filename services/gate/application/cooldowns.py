"""Start and end cooldowns, each with its event, and end them by themselves when they are over. Judges no counts."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gate.application.changes import CooldownChange, Work, Works
from gate.application.ports import Organization, Wake
from gate.domain.facts import Cooldown
from gate.domain.reputation import ESCALATION_MEMORY, CooldownReason, next_cooldown
from kernel.errors import Failure

SYSTEM = "system"
_OVER = "its time was over"
# A cooldown that another replica started is found this late at the latest.
_LOOK_AGAIN = 1.0
_SOONEST = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why an instance has to cool down, with the counts that say so."""

    reason: CooldownReason
    sends: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CooledDown:
    """An instance whose cooldown is over."""

    organization_id: str
    instance_id: str
    end_time: datetime


class Cooling(Protocol):
    """Finds instances whose cooldown is over by the database's clock."""

    async def cooled_down(self) -> Sequence[CooledDown]:
        """Return them, the longest over first."""
        ...

    async def next_end(self) -> float:
        """Return in how many seconds the next cooldown ends; infinity if there is none."""
        ...


async def start(
    tx: Work, organizations: Mapping[str, Organization], causes: Mapping[tuple[str, str], Cause], now: datetime
) -> None:
    """Start cooldowns by organization and instance, each longer the more there were lately."""
    changes = []
    for (organization_id, instance_id), cause in sorted(causes.items()):
        starts = await tx.instances.cooldown_starts(organization_id, instance_id, now - ESCALATION_MEMORY)
        policy = organizations[organization_id].policy
        cooldown = next_cooldown(reason=cause.reason, policy=policy, earlier_starts=starts, now=now)
        await tx.instances.start_cooldown(organization_id, instance_id, cooldown)
        changes.append(
            CooldownChange(
                organization_id=organization_id,
                instance_id=instance_id,
                cooldown=cooldown,
                started=True,
                at=now,
                actor=SYSTEM,
                failures=cause.failures,
                sends=cause.sends,
            )
        )
    tx.tell_cooldowns(changes)


async def end(
    tx: Work,
    organization_id: str,
    instance_id: str,
    cooldown: Cooldown,
    *,
    at: datetime,
    actor: str = SYSTEM,
    reason: str = _OVER,
) -> None:
    """End a cooldown that stands under the lock."""
    await tx.instances.end_cooldown(organization_id, instance_id, at, by=actor, reason=reason)
    change = CooldownChange(
        organization_id=organization_id,
        instance_id=instance_id,
        cooldown=cooldown,
        started=False,
        at=at,
        actor=actor,
    )
    tx.tell_cooldowns([change])


async def end_cooldowns(*, cooling: Cooling, works: Works, wake: Wake) -> None:
    """End what is over by the database's clock; of several replicas one does it."""
    for over in await cooling.cooled_down():
        async with works.work() as tx:
            await tx.lock([over.organization_id])
            record = await tx.instances.find(over.organization_id, over.instance_id)
            if record is None or record.cooldown is None or record.cooldown.end_time != over.end_time:
                continue
            await end(tx, over.organization_id, over.instance_id, record.cooldown, at=over.end_time)
        wake(None)


async def end_cooldowns_until(stop: asyncio.Event, *, cooling: Cooling, works: Works, wake: Wake) -> None:
    """End cooldowns when they are over, until `stop`."""
    while not stop.is_set():
        pause = _LOOK_AGAIN
        with contextlib.suppress(Failure):
            await end_cooldowns(cooling=cooling, works=works, wake=wake)
            pause = min(pause, max(_SOONEST, await cooling.next_end()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
