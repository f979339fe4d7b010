"""Operators' calls, reads and the webhooks' inbox on PostgreSQL. Decides nothing."""

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from uuid import UUID

import orjson

from chassis.database import Database
from chassis.outbox import Outbox
from executor.application.deliveries import AGAIN_SECONDS
from executor.application.ports_operations import InboxEntry, Request, ToldStatus
from executor.domain.job import Attempt, Job, JobKey
from executor.infrastructure.ledger import Ledger, named, queries
from executor.infrastructure.rows import job_of
from executor.infrastructure.whatsapp_statuses import write_statuses
from kernel.errors import Failure, Kind
from kernel.ids import uuid7

_NEWEST = UUID(int=2**128 - 1)


class Operations(Ledger):
    """One transaction of a call or of the inbox."""

    async def claim(self, request: Request) -> Sequence[str] | None:
        """Return the answer this request had, or None if it is new. Raises Failure REQUEST_ID_REUSED."""
        row = await self.tx.fetch_one(
            queries.claim_request,
            organization_id=request.organization_id,
            request_id=request.request_id,
            method=request.method,
            fingerprint=request.fingerprint,
        )
        if row is None or not row.answer:
            return None
        if row.fingerprint != request.fingerprint:
            message = "the same request id came before with other content"
            raise Failure(Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED", message)
        answer: list[str] = orjson.loads(row.answer)
        return answer

    async def remember(self, request: Request, answer: Sequence[str]) -> None:
        """Keep the answer of a claimed request."""
        await self.tx.execute(
            queries.remember_answer,
            organization_id=request.organization_id,
            request_id=request.request_id,
            method=request.method,
            answer=orjson.dumps(list(answer)),
        )

    async def hold_arrivals(self) -> None:
        """Make jobs that are arriving wait until this transaction ends."""
        await self.tx.execute(queries.hold_arrivals)

    async def bury(self, keys: Sequence[JobKey], *, reason: str, actor: str) -> None:
        """Leave tombstones: these jobs are canceled on arrival."""
        await self.tx.execute(queries.insert_tombstones, **named(keys), reason=reason, actor=actor)

    async def forget(self, keys: Sequence[JobKey]) -> None:
        """Forget recipient and content of those that are over."""
        await self.tx.execute(queries.forget_jobs, **named(keys))

    async def dead_jobs(self, organization_id: str, campaign_id: str, *, jobs: int) -> Sequence[JobKey]:
        """Return DEAD jobs of a campaign."""
        rows = await self.tx.fetch(
            queries.list_dead_jobs, organization_id=organization_id, campaign_id=campaign_id, jobs=jobs
        )
        return [JobKey(row.organization_id, row.intent_id) for row in rows]

    async def due_entries(self, *, entries: int) -> Sequence[InboxEntry]:
        """Return entries to work on, locked."""
        rows = await self.tx.fetch(queries.lock_due_webhooks, entries=entries)
        return [InboxEntry(inbox_id=row.inbox_id, body=row.body, received_at=row.received_at) for row in rows]

    async def owners(self, accounts: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return whose the numbers are, by their ids at the provider."""
        result: dict[str, list[str]] = {}
        for row in await self.tx.fetch(queries.list_owners, accounts=list(accounts)):
            result.setdefault(row.provider_account, []).append(row.organization_id)
        return result

    async def present(self, keys: Sequence[JobKey]) -> Set[JobKey]:
        """Return which of these jobs exist."""
        rows = await self.tx.fetch(queries.list_present_jobs, **named(keys))
        return {JobKey(row.organization_id, row.intent_id) for row in rows}

    async def finish(self, entries: Sequence[InboxEntry], *, again: Sequence[ToldStatus], refused: str = "") -> None:
        """Remove `entries`, setting them aside if `refused` says why, and keep `again` for a moment later."""
        await self.tx.execute(queries.delete_webhooks, inbox_ids=[entry.inbox_id for entry in entries], refused=refused)
        if not again:
            return
        by_arrival: dict[object, list[ToldStatus]] = {}
        for status in again:
            by_arrival.setdefault(status.received_at, []).append(status)
        await self.tx.execute(
            queries.put_webhook_back,
            inbox_ids=[uuid7() for _ in by_arrival],
            bodies=[write_statuses(statuses) for statuses in by_arrival.values()],
            receiveds_at=list(by_arrival),
            after_seconds=AGAIN_SECONDS,
        )


class PostgresJobs:
    """The jobs of one database, for callers and webhooks."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Operations]:
        """Open a transaction; what it tells others leaves with its commit."""
        async with self._outbox.transaction() as tx:
            yield Operations(tx)

    async def keep_webhooks(self, webhooks: Sequence[tuple[UUID, bytes]]) -> None:
        """Commit webhooks as they came."""
        async with self._database.autocommit() as connection:
            await connection.execute(
                queries.insert_webhooks,
                inbox_ids=[inbox_id for inbox_id, _ in webhooks],
                bodies=[body for _, body in webhooks],
            )

    async def get(self, key: JobKey) -> tuple[Job, tuple[Attempt, ...]] | None:
        """Return a job with its attempts."""
        async with self._outbox.transaction() as tx:
            rows = await tx.fetch(queries.get_job, organization_id=key.organization_id, intent_id=key.intent_id)
            found = await Ledger(tx).with_attempts(rows)
        return found[0] if found else None

    async def page(
        self,
        *,
        organization_id: str,
        state: str,
        campaign_id: str,
        instance_id: str,
        before: UUID | None,
        jobs: int,
    ) -> list[Job]:
        """Return an organization's jobs before `before`, newest first."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(
                queries.list_jobs,
                organization_id=organization_id,
                state=state,
                campaign_id=campaign_id,
                instance_id=instance_id,
                before=before or _NEWEST,
                jobs=jobs,
            )
        return [job_of(row) for row in rows]
