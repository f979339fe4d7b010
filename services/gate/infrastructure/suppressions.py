"""Keep who is not to be written to on PostgreSQL, by hashes of numbers. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from chassis.database import Transaction
from gate.application.messages import Held
from gate.infrastructure import rows
from gate.infrastructure.statements import queries


@dataclass(frozen=True, slots=True)
class PostgresSuppressions:
    """Implements `Suppressions`."""

    tx: Transaction

    async def add(
        self, organization_id: str, number_hashes: Sequence[bytes], *, by: str, reason: str, at: datetime
    ) -> int:
        distinct = sorted(set(number_hashes))
        return await self.tx.execute(
            queries.add_suppressions,
            organization_id=organization_id,
            number_hashes=distinct,
            recipient_ids=[uuid4() for _ in distinct],
            by=by,
            reason=reason,
            at=at,
        )

    async def remove(
        self, organization_id: str, number_hashes: Sequence[bytes], *, by: str, reason: str, at: datetime
    ) -> int:
        return await self.tx.execute(
            queries.remove_suppressions,
            organization_id=organization_id,
            number_hashes=sorted(set(number_hashes)),
            by=by,
            reason=reason,
            at=at,
        )

    async def live_intents(self, organization_id: str, number_hashes: Sequence[bytes], now: datetime) -> Sequence[Held]:
        found = await self.tx.fetch(
            queries.find_live_intents,
            organization_id=organization_id,
            number_hashes=sorted(set(number_hashes)),
            now=now,
        )
        return [rows.held_of(row) for row in found]

    async def ask_later(self, organization_id: str, intent_ids: Sequence[UUID], *, actor: str, reason: str) -> None:
        await self.tx.execute(
            queries.ask_later,
            organization_id=organization_id,
            intent_ids=list(intent_ids),
            actor=actor,
            reason=reason,
        )
