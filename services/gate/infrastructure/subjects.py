"""Keep what belongs to people on PostgreSQL: forget it, tell it. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from chassis.database import Database, Transaction
from gate.application.pending_erasures import PendingErasure
from gate.infrastructure.statements import queries


@dataclass(frozen=True, slots=True)
class PostgresSubjects:
    """Implements `Subjects`."""

    tx: Transaction

    async def queued_intents(self, organization_id: str, number_hash: bytes) -> Sequence[UUID]:
        found = await self.tx.fetch(
            queries.find_queued_of_recipient, organization_id=organization_id, number_hash=number_hash
        )
        return [row.intent_id for row in found]

    async def forget_intents(self, organization_id: str, number_hash: bytes) -> Sequence[UUID]:
        found = await self.tx.fetch(
            queries.forget_recipients_intents, organization_id=organization_id, number_hash=number_hash
        )
        return [row.intent_id for row in found]

    async def erase_later(self, organization_id: str, intent_ids: Sequence[UUID], *, actor: str) -> None:
        await self.tx.execute(
            queries.erase_later, organization_id=organization_id, intent_ids=list(intent_ids), actor=actor
        )

    async def make_unknown(
        self, organization_id: str, number_hash: bytes, *, anew: bool, by: str, at: datetime
    ) -> UUID | None:
        row = await self.tx.fetch_one(
            queries.forget_recipient,
            organization_id=organization_id,
            number_hash=number_hash,
            recipient_id=uuid4(),
            anew=anew,
            by=by,
            at=at,
        )
        return None if row is None else row.recipient_id


@dataclass(frozen=True, slots=True)
class PostgresErasures:
    """Implements `PendingErasures`."""

    database: Database

    async def erasures(
        self, organization_id: str | None, after: tuple[str, UUID], most: int
    ) -> Sequence[PendingErasure]:
        async with self.database.autocommit() as tx:
            found = await tx.fetch(
                queries.list_pending_erasures,
                organization_id=organization_id,
                after_organization_id=after[0],
                after_intent_id=after[1],
                most=most,
            )
        return [
            PendingErasure(organization_id=row.organization_id, intent_id=row.intent_id, actor=row.actor)
            for row in found
        ]

    async def erased(self, organization_id: str, intent_ids: Sequence[UUID]) -> None:
        async with self.database.autocommit() as tx:
            await tx.execute(
                queries.settle_pending_erasures, organization_id=organization_id, intent_ids=list(intent_ids)
            )

    async def count(self, organization_id: str) -> int:
        """Return how many intents of an organization the executor has still to forget."""
        async with self.database.autocommit() as tx:
            row = await tx.fetch_one(queries.count_pending_erasures, organization_id=organization_id)
        return 0 if row is None else row.pending
