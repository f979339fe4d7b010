"""The gate's store on PostgreSQL: transactions for the use cases. What they do in one is in the modules beside this."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Database
from chassis.outbox import Outbox
from gate.application.pending_cancels import PendingCancel
from gate.application.ports import Asked
from gate.infrastructure.deciding import PostgresDeciding
from gate.infrastructure.facts import PostgresFacts
from gate.infrastructure.handover import Handover
from gate.infrastructure.signals import PostgresSignalWork
from gate.infrastructure.statements import queries
from kernel.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresStore:
    """Begins transactions."""

    database: Database
    outbox: Outbox
    handover: Handover
    clock: Clock

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator[PostgresDeciding]:
        """Begin a transaction of decisions; its parcels are stored by its commit and leave right after."""
        async with self.outbox.transaction() as tx:
            yield PostgresDeciding(tx, self.handover, self.clock)

    def claiming(self) -> AbstractAsyncContextManager[PostgresDeciding]:
        """Begin a transaction that claims what is due and decides it."""
        return self.deciding()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[PostgresSignalWork]:
        """Begin a transaction of changes; what it tells leaves with its commit."""
        async with self.outbox.transaction() as tx:
            yield PostgresSignalWork(tx, self.handover, self.clock)

    @asynccontextmanager
    async def evaluating(self) -> AsyncIterator[PostgresFacts]:
        """Begin a transaction that only reads."""
        async with self.database.transaction() as tx:
            yield PostgresFacts(tx, self.clock)

    async def instance_ids(self, organization_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the instances of organizations, outside any transaction."""
        found: dict[str, list[str]] = defaultdict(list)
        async with self.database.autocommit() as tx:
            for row in await tx.fetch(queries.list_instance_ids, organization_ids=list(organization_ids)):
                found[row.organization_id].append(row.instance_id)
        return found

    async def asked(self, intents: Sequence[tuple[str, UUID]]) -> Sequence[Asked]:
        """Return what control has to be asked about accepted intents, outside any transaction."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(
                queries.find_asked,
                organization_ids=[organization_id for organization_id, _ in intents],
                intent_ids=[intent_id for _, intent_id in intents],
            )
        return [
            Asked(
                organization_id=row.organization_id,
                campaign_id=row.campaign_id,
                instance_id=row.asked_instance_id,
            )
            for row in found
        ]

    async def pending(self, organization_id: str | None, most: int) -> Sequence[PendingCancel]:
        """Return what the executor has to be asked to cancel, of one organization or of all."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(queries.list_pending_cancels, organization_id=organization_id, most=most)
        return [
            PendingCancel(
                organization_id=row.organization_id,
                intent_id=row.intent_id,
                actor=row.actor,
                reason=row.reason,
            )
            for row in found
        ]

    async def settled(self, pending: Sequence[PendingCancel]) -> None:
        """Forget what the executor answered."""
        async with self.database.autocommit() as tx:
            await tx.execute(
                queries.settle_pending_cancels,
                organization_ids=[cancel.organization_id for cancel in pending],
                intent_ids=[cancel.intent_id for cancel in pending],
            )
