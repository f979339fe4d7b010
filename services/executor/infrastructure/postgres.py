"""The queue of jobs on PostgreSQL: statements bound to the ports, transactions to their names. Decides nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from chassis.database import Database
from chassis.outbox import Outbox
from executor.application.ports import DueScope, TakeOrder
from executor.domain.job import Job, Scope, TakenJob
from executor.infrastructure.counting import canary_rooms
from executor.infrastructure.ledger import Ledger, queries
from executor.infrastructure.parcels import Telling
from executor.infrastructure.rows import job_of, taken_of

UNGOVERNED_GAP = 1 / 80  # seconds; what a resume's ramp slows down where a lane has no gap
RAMP_CLAIM = 0.1  # seconds; what ramps up claims a free lane no further ahead: others find it free in between


class Work(Ledger):
    """One transaction of a loop: takes, holds, settles and rescues."""

    provider_override: str | None = None

    async def take(self, order: TakeOrder) -> Sequence[TakenJob]:
        """Move due jobs to SENDING under one lease, advance their lanes, and record that their sends started."""
        canaries = [allowed.canary for _, allowed in order.scopes]
        limited = [canary for canary in canaries if canary is not None]
        rooms = await canary_rooms(self.tx, limited) if limited else {}
        rows = await self.tx.fetch(
            queries.take_jobs,
            **_scopes([scope for scope, _ in order.scopes]),
            canary_ids=[None if canary is None else canary.control_id for canary in canaries],
            canary_rooms=[None if canary is None else rooms[canary.control_id] for canary in canaries],
            rate_factors=[allowed.rate_factor for _, allowed in order.scopes],
            control_versions=[allowed.control_version for _, allowed in order.scopes],
            platform_version=order.platform_version,
            token=order.token,
            jobs=order.jobs,
            per_scope=order.per_scope,
            horizon=order.horizon,
            ramp_claim=RAMP_CLAIM,
            permit_seconds=order.permit_seconds,
            lease_seconds=order.lease_seconds,
            ungoverned_gap=UNGOVERNED_GAP,
        )
        taken = [
            taken_of(row, token=order.token, platform_version=order.platform_version, override=self.provider_override)
            for row in rows
        ]
        if taken:
            self.tell_started(taken)
        return [job for job, _ in taken]

    async def lock_due(self, scopes: Sequence[Scope], *, per_scope: int, jobs: int) -> Sequence[Job]:
        """Return due jobs of `scopes`, locked."""
        rows = await self.tx.fetch(queries.lock_due_jobs, **_scopes(scopes), per_scope=per_scope, jobs=jobs)
        return [job_of(row) for row in rows]

    async def lapsed_leases(self, *, leases: int) -> Sequence[UUID]:
        """Return leases that have lapsed, locked."""
        return [row.token for row in await self.tx.fetch(queries.list_lapsed_leases, leases=leases)]

    async def lock_lapsed(self, *, jobs: int) -> Sequence[Job]:
        """Return waiting jobs whose approval or life has ended, locked."""
        return [job_of(row) for row in await self.tx.fetch(queries.lock_lapsed_jobs, jobs=jobs)]

    async def next_due(self) -> float | None:
        """Return the seconds until a lease or an approval lapses."""
        row = await self.tx.fetch_one(queries.next_upkeep)
        return None if row is None else row.due_in


class PostgresQueue:
    """The queue of one database."""

    def __init__(self, database: Database, outbox: Outbox, *, provider_override: str | None = None) -> None:
        self._database = database
        self._outbox = outbox
        self._override = provider_override

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        """Open a transaction; what it tells others leaves with its commit."""
        async with self._outbox.transaction() as tx:
            work = Work(tx)
            work.provider_override = self._override
            yield work

    async def due_scopes(self, *, scopes: int) -> Sequence[DueScope]:
        """Return scopes with READY jobs, soonest to send first; of those that can now, who sent least recently."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(queries.list_due_scopes, scopes=scopes)
        return [
            DueScope(
                scope=Scope(row.organization_id, row.instance_id, row.campaign_id),
                due_in=row.due_in,
                slot_in=row.slot_in,
                ramp_in=row.ramp_in,
            )
            for row in rows
        ]

    async def release_held(self, live_ids: Sequence[UUID], *, jobs: int) -> int:
        """Make held jobs runnable whose pauses are not among `live_ids`; return how many, at most `jobs`."""
        async with self._database.autocommit() as connection:
            return await connection.execute(queries.release_held_jobs, live_ids=list(live_ids), jobs=jobs)

    async def mark_unreachable(self, scopes: Sequence[Scope], *, per_scope: int, jobs: int) -> None:
        """Say on due jobs that they wait for control."""
        async with self._database.autocommit() as connection:
            await connection.execute(queries.mark_unreachable, **_scopes(scopes), per_scope=per_scope, jobs=jobs)

    async def measure_backlog(self, *, every_seconds: float, at: datetime) -> None:
        """Record how much waits for each organization that was not measured for `every_seconds`."""
        async with self._outbox.transaction() as tx:
            telling = Telling()
            for row in await tx.fetch(queries.measure_backlog, every_seconds=every_seconds):
                telling.backlog(row.organization_id, waiting=row.waiting, oldest=row.oldest, at=at)
            Ledger(tx).tell(telling)


def _scopes(scopes: Sequence[Scope]) -> dict[str, object]:
    return {
        "organization_ids": [scope.organization_id for scope in scopes],
        "instance_ids": [scope.instance_id for scope in scopes],
        "campaign_ids": [scope.campaign_id for scope in scopes],
    }
