"""What the executor lets go of: jobs that are over, what answered repeats, what was set aside. Decides nothing."""

from dataclasses import dataclass
from datetime import datetime

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.retention import A_STEP, Step
from executor.infrastructure.ledger import queries
from kernel.ids import uuid7_floor


@dataclass(frozen=True, slots=True)
class Retention:
    """The steps on one database."""

    database: Database
    outbox: Outbox

    @property
    def steps(self) -> dict[str, Step]:
        """Return what to do, by name."""
        return {
            "jobs": self.jobs,
            "requests": self.requests,
            "tombstones": self.tombstones,
            "webhooks": self.webhooks,
            "refused": self.refused,
        }

    async def jobs(self, before: datetime) -> bool:
        """Let go of jobs that are over; what may still be settled loses recipient and content."""
        async with self.database.transaction() as tx:
            row = await tx.fetch_one(queries.forget_old_jobs, floor=uuid7_floor(before), most=A_STEP)
        return row is not None and row.jobs == A_STEP

    async def requests(self, before: datetime) -> bool:
        """Forget the answers of calls."""
        async with self.database.autocommit() as tx:
            return await tx.execute(queries.forget_requests, before=before, most=A_STEP) == A_STEP

    async def tombstones(self, before: datetime) -> bool:
        """Forget cancellations of what never arrived."""
        async with self.database.autocommit() as tx:
            return await tx.execute(queries.forget_tombstones, before=before, most=A_STEP) == A_STEP

    async def webhooks(self, before: datetime) -> bool:
        """Forget webhooks that could not be read."""
        async with self.database.autocommit() as tx:
            return await tx.execute(queries.forget_refused_webhooks, before=before, most=A_STEP) == A_STEP

    async def refused(self, before: datetime) -> bool:
        """Forget what receivers refused."""
        return await self.outbox.forget_refused(before, most=A_STEP) == A_STEP
