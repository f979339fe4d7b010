"""Read all that the gate holds about one person. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Database, Row
from gate.application.messages import View
from gate.infrastructure import rows
from gate.infrastructure.reading import Suppression
from gate.infrastructure.statements import queries
from kernel.errors import not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """A suppression that holds no more."""

    suppression: Suppression
    lifted_by: str
    lifted_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One page of what is held about a person."""

    recipient_id: UUID
    suppression: Suppression | None
    lifted: Sequence[Lifted]
    intents: Sequence[View]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReads:
    """Reads one person of one organization at a time."""

    database: Database

    async def number_hash(self, organization_id: str, recipient_id: UUID) -> bytes:
        """Return whom a random id means. Raises Failure NOT_FOUND; reads every recipient, as this is for restores."""
        async with self.database.autocommit() as tx:
            row = await tx.fetch_one(
                queries.find_number_hash, organization_id=organization_id, recipient_id=recipient_id
            )
        if row is None:
            raise not_found("recipient")
        found: bytes = row.number_hash
        return found

    async def person(self, organization_id: str, number_hash: bytes, *, before: UUID, most: int) -> Person | None:
        """Return the person with their newest intents below `before`; None if nothing is held."""
        async with self.database.autocommit() as tx:
            known = await tx.fetch_one(queries.get_recipient, organization_id=organization_id, number_hash=number_hash)
            if known is None:
                return None
            lifted = await tx.fetch(
                queries.list_lifted_suppressions, organization_id=organization_id, recipient_id=known.recipient_id
            )
            intents = await tx.fetch(
                queries.list_intents_of_recipient,
                organization_id=organization_id,
                number_hash=number_hash,
                before=before,
                most=most,
            )
        return Person(
            recipient_id=known.recipient_id,
            suppression=_suppression(known.recipient_id, known) if known.suppressed_at is not None else None,
            lifted=[
                Lifted(
                    suppression=_suppression(known.recipient_id, row),
                    lifted_by=row.lifted_by,
                    lifted_at=row.lifted_at,
                    reason=row.lift_reason,
                )
                for row in lifted
            ],
            intents=[rows.view_of(row, with_rules=True) for row in intents],
        )


def _suppression(recipient_id: UUID, row: Row) -> Suppression:
    return Suppression(
        recipient_id=recipient_id,
        reason=row.suppression_reason,
        created_by=row.suppressed_by,
        created_at=row.suppressed_at,
    )
