"""Read intents for callers. Each read is one statement, outside any transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Database
from gate.application.messages import View
from gate.infrastructure import rows
from gate.infrastructure.statements import queries
from kernel.errors import not_found

LAST_INTENT = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFilter:
    """What a list of intents is narrowed to; empty matches all."""

    campaign_id: str
    instance_id: str
    state: str
    reason: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentReads:
    """Reads intents of one organization at a time."""

    database: Database

    async def one(self, organization_id: str, *, intent_id: UUID | None = None, request_id: str | None = None) -> View:
        """Return an intent by one of its ids. Raises Failure NOT_FOUND, also for somebody else's."""
        async with self.database.autocommit() as tx:
            if intent_id is not None:
                row = await tx.fetch_one(queries.get_intent, organization_id=organization_id, intent_id=intent_id)
            else:
                row = await tx.fetch_one(
                    queries.get_intent_by_request, organization_id=organization_id, request_id=request_id
                )
        if row is None:
            raise not_found("intent")
        return rows.view_of(row, with_rules=True)

    async def newest(self, organization_id: str, wanted: IntentFilter, *, before: UUID, most: int) -> Sequence[View]:
        """Return the newest intents below `before` that match."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(
                queries.list_intents,
                organization_id=organization_id,
                before=before,
                campaign_id=wanted.campaign_id,
                instance_id=wanted.instance_id,
                state=wanted.state,
                reason=wanted.reason,
                reference=wanted.reference,
                most=most,
            )
        return [rows.view_of(row, with_rules=False) for row in found]
