"""The queue of jobs on PostgreSQL: statements bound to the ports, transactions to their names. Decides nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from chassis.database import Database
from chassis.outbox import Outbox
from executor.application.ports import DueScope, TakeOrder
from executor.domain.change import Fact, Note
from executor.domain.job import Job, Lane, NewJob, Scope, TakenJob
from executor.domain.words import FactType, JobState, Reason
from executor.infrastructure.content import encode
from executor.infrastructure.counting import canary_rooms
from executor.infrastructure.ledger import Ledger, queries
from executor.infrastructure.parcels import Telling
from executor.infrastructure.rows import job_of, taken_of

UNGOVERNED_GAP = 1 / 80  # seconds; what a resume's ramp slows down where a lane has no gap
RAMP_CLAIM = 0.1  # seconds; what ramps up claims a free lane no further ahead: others find it free in between


class Work(Ledger):
    """One transaction of a loop or a call: takes, holds, settles, rescues and accepts."""

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

    async def keep_lanes(self, lanes: Sequence[Lane]) -> None:
        """Keep the newest version of each lane; lanes that are known already cost no write."""
        names: dict[str, object] = {
            "organization_ids": [lane.organization_id for lane in lanes],
            "instance_ids": [lane.instance_id for lane in lanes],
            "versions": [lane.version for lane in lanes],
        }
        if not await self.tx.fetch(queries.list_newer_lanes, **names):
            return
        await self.tx.execute(
            queries.upsert_lanes,
            **names,
            providers=[lane.provider for lane in lanes],
            provider_accounts=[lane.provider_account for lane in lanes],
            gaps=[lane.gap for lane in lanes],
            bursts=[lane.burst for lane in lanes],
        )

    async def insert(self, jobs: Sequence[NewJob], *, at: datetime) -> int:
        """Insert new jobs, revive returned ones, cancel what has a tombstone; return how many were taken."""
        ordered = sorted(jobs, key=lambda job: (job.organization_id, job.intent_id))
        rows = await self.tx.fetch(queries.insert_jobs, **_columns(ordered))
        canceled = {(row.organization_id, row.intent_id): row for row in rows if row.state == JobState.CANCELED}
        telling = Telling()
        for job in ordered if canceled else ():
            row = canceled.get((job.organization_id, job.intent_id))
            if row is not None:
                note = Note(note=row.reason)
                fact = Fact(type=FactType.CANCELED, at=at, reason=Reason.CANCELED, actor=row.actor, detail=note)
                telling.fact(_canceled(job, at), fact, sequence=job.sequence)
        self.tell(telling)
        return len(rows)


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


def _columns(jobs: Sequence[NewJob]) -> dict[str, object]:
    return {
        "organization_ids": [job.organization_id for job in jobs],
        "intent_ids": [job.intent_id for job in jobs],
        "decision_numbers": [job.decision_number for job in jobs],
        "sequences": [job.sequence for job in jobs],
        "instance_ids": [job.instance_id for job in jobs],
        "campaign_ids": [job.campaign_id for job in jobs],
        "categories": [job.category for job in jobs],
        "recipients": [job.recipient for job in jobs],
        "recipient_ids": [job.recipient_id for job in jobs],
        "contents": [encode(job.content) for job in jobs],
        "submitteds_at": [job.submitted_at for job in jobs],
        "approveds_at": [job.approved_at for job in jobs],
        "approveds_until": [job.approved_until for job in jobs],
        "expire_times": [job.expire_time for job in jobs],
        "nots_before": [job.not_before for job in jobs],
        "retries_unknown": [job.retry_unknown for job in jobs],
        "traceparents": [job.traceparent for job in jobs],
    }


def _canceled(job: NewJob, at: datetime) -> Job:
    return Job(
        organization_id=job.organization_id,
        intent_id=job.intent_id,
        decision_number=job.decision_number,
        instance_id=job.instance_id,
        campaign_id=job.campaign_id,
        provider="",
        state=JobState.CANCELED,
        reason=Reason.CANCELED,
        next_attempt_at=None,
        held_by=(),
        submitted_at=job.submitted_at,
        approved_at=job.approved_at,
        approved_until=job.approved_until,
        expire_time=job.expire_time,
        retry_unknown=job.retry_unknown,
        traceparent=job.traceparent,
        attempt=0,
        tries=0,
        lease_token=None,
        taken_at=None,
        control_version=0,
        platform_version=0,
        created_at=at,
    )
