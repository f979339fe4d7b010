"""What the gate hands over, on PostgreSQL: lanes and jobs, one statement each where nothing special is met.

Knows nothing of how jobs move.
"""

from collections.abc import Sequence
from datetime import datetime

from chassis.database import Database
from chassis.outbox import Outbox
from executor.domain.change import Fact, Note
from executor.domain.job import Job, Lane, NewJob
from executor.domain.words import FactType, JobState, Reason
from executor.infrastructure.content import encode
from executor.infrastructure.kinds import by_kind
from executor.infrastructure.ledger import Ledger, queries
from executor.infrastructure.parcels import Telling


class PostgresArrivals:
    """The door of one database."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._kept: dict[tuple[str, str], int] = {}  # a lane's version that is stored, or an older one: none is deleted

    async def keep_lanes(self, lanes: Sequence[Lane]) -> bool:
        """Keep the newest version of each lane; tell whether there was news. What is known to be kept costs nothing."""
        news = [lane for lane in lanes if self._kept.get((lane.organization_id, lane.instance_id), -1) < lane.version]
        if not news:
            return False
        async with self._database.autocommit() as connection:
            await connection.execute(
                queries.upsert_lanes,
                organization_ids=[lane.organization_id for lane in news],
                instance_ids=[lane.instance_id for lane in news],
                versions=[lane.version for lane in news],
                providers=[lane.provider for lane in news],
                provider_accounts=[lane.provider_account for lane in news],
                gaps=[lane.gap for lane in news],
                bursts=[lane.burst for lane in news],
            )
        for lane in news:
            key = (lane.organization_id, lane.instance_id)
            self._kept[key] = max(lane.version, self._kept.get(key, lane.version))
        return True

    async def insert(self, jobs: Sequence[NewJob], *, at: datetime) -> int:
        """Insert new jobs, revive returned ones, cancel what has a tombstone; return how many were taken.

        Of most of them nothing is told, so that one statement does; those with a tombstone come second, with an event.
        """
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(queries.insert_jobs, **_columns(jobs), buried=False)
        taken: int = rows[0].taken
        buried = {(row.organization_id, row.intent_id) for row in rows if row.intent_id is not None}
        if buried:
            taken += await self._insert_buried(
                [job for job in jobs if (job.organization_id, job.intent_id) in buried], at=at
            )
        return taken

    async def _insert_buried(self, jobs: Sequence[NewJob], *, at: datetime) -> int:
        async with self._outbox.transaction() as tx:
            rows = await tx.fetch(queries.insert_jobs, **_columns(jobs), buried=True)
            canceled = {(row.organization_id, row.intent_id): row for row in rows if row.state == JobState.CANCELED}
            telling = Telling()
            for job in jobs:
                row = canceled.get((job.organization_id, job.intent_id))
                if row is not None:
                    note = Note(note=row.reason)
                    fact = Fact(type=FactType.CANCELED, at=at, reason=Reason.CANCELED, actor=row.actor, detail=note)
                    telling.fact(_canceled(job, at), fact, sequence=job.sequence)
            Ledger(tx).tell(telling)
        return int(rows[0].taken)


_ALIKE = (
    "organization_ids",
    "decision_numbers",
    "sequences",
    "instance_ids",
    "campaign_ids",
    "categories",
    "submitteds_at",
    "approveds_at",
    "approveds_until",
    "expire_times",
    "nots_before",
    "retries_unknown",
)


def _alike(job: NewJob) -> tuple[object, ...]:
    """Return what a job has in common with many others of its batch."""
    return (
        job.organization_id,
        job.decision_number,
        job.sequence,
        job.instance_id,
        job.campaign_id,
        job.category,
        job.submitted_at,
        job.approved_at,
        job.approved_until,
        job.expire_time,
        job.not_before,
        job.retry_unknown,
    )


def _columns(jobs: Sequence[NewJob]) -> dict[str, list[object]]:
    return {
        **by_kind(_ALIKE, map(_alike, jobs)),
        "intent_ids": [job.intent_id for job in jobs],
        "recipients": [job.recipient for job in jobs],
        "recipient_ids": [job.recipient_id for job in jobs],
        "contents": [encode(job.content) for job in jobs],
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
