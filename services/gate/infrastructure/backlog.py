"""Measure how much waits with the gate, at most every 10 s an organization, whichever replica does it."""

import asyncio
import contextlib
from dataclasses import dataclass

from chassis.outbox import Outbox
from gate.infrastructure import wire
from gate.infrastructure.handover import Handover
from gate.infrastructure.statements import queries
from kernel.clock import Clock
from kernel.errors import Failure

_EVERY = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Records BacklogMeasured."""

    outbox: Outbox
    handover: Handover
    clock: Clock

    async def measure(self) -> None:
        """Record how much waits in each organization that was not measured in the last 10 s."""
        async with self.outbox.transaction() as tx:
            now = self.clock.now()
            found = await tx.fetch(queries.measure_backlog, now=now)
            self.handover.tell_events(
                tx,
                (
                    wire.backlog_event(
                        organization_id=row.organization_id, waiting=row.waiting, oldest=row.oldest, at=now
                    )
                    for row in found
                ),
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Measure until `stop`."""
        while not stop.is_set():
            with contextlib.suppress(Failure):
                await self.measure()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _EVERY)
