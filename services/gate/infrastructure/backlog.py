"""Measure how much waits with the gate, at most every 10 s an organization, whichever replica does it.

Counting a million takes about 0.1 s of a core: the longer it takes, the more seldom it is done.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Database, Row
from chassis.outbox import Outbox
from gate.infrastructure import wire
from gate.infrastructure.handover import Handover
from gate.infrastructure.statements import queries
from kernel.clock import Clock
from kernel.errors import Failure

_SOONEST, _LATEST = 10.0, 300.0
_REST_FOR_WORK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Records BacklogMeasured."""

    database: Database
    outbox: Outbox
    handover: Handover
    clock: Clock

    async def measure(self) -> float:
        """Record how much waits where nobody measured in the last 10 s; return for how many seconds to rest."""
        now = self.clock.now()
        async with self.database.autocommit() as tx:
            counted = await tx.fetch(queries.count_backlogs, now=now)
        if counted:
            await self._tell(counted, now)
        took = max((float(row.seconds) for row in counted), default=0.0)
        return min(max(_SOONEST, _REST_FOR_WORK * took), _LATEST)

    async def _tell(self, counted: Sequence[Row], now: datetime) -> None:
        async with self.outbox.transaction() as tx:
            noted = await tx.fetch(
                queries.note_backlogs,
                organization_ids=[row.organization_id for row in counted],
                waitings=[row.waiting for row in counted],
                now=now,
            )
            ours = {row.organization_id for row in noted}
            self.handover.tell_events(
                tx,
                (
                    wire.backlog_event(
                        organization_id=row.organization_id, waiting=row.waiting, oldest=row.oldest, at=now
                    )
                    for row in counted
                    if row.organization_id in ours
                ),
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Measure until `stop`."""
        while not stop.is_set():
            rest = _SOONEST
            with contextlib.suppress(Failure):
                rest = await self.measure()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), rest)
