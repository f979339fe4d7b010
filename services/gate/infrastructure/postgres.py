"""The gate's store on PostgreSQL: transactions for the use cases. What they do in one is in the modules beside this."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.database import Database
from chassis.outbox import Outbox
from gate.infrastructure.deciding import PostgresDeciding
from gate.infrastructure.facts import PostgresFacts
from gate.infrastructure.handover import Handover
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
