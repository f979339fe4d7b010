"""What the gate lets go of: whom old intents were for and what they said, what answered repeats. Decides nothing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.retention import A_STEP, Step
from gate.infrastructure.statements import queries
from kernel.ids import uuid7_floor

_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Retention:
    """The steps on one database. Intents live 30 days at most: what is older than that has ended."""

    database: Database
    outbox: Outbox

    @property
    def steps(self) -> dict[str, Step]:
        """Return what to do, by name."""
        return {
            "intents": self.intents,
            "signals": self.signals,
            "mutations": self.mutations,
            "refused": self.refused,
        }

    async def intents(self, before: datetime) -> bool:
        """Forget the intents of one organization; they stay, nameless, so that no request id ever sends twice.

        Under the organization's lock, since a submit may be about to use a recipient that would go.
        """
        floor = uuid7_floor(before)
        async with self.database.transaction() as tx:
            behind = await tx.fetch_one(queries.find_remembering_organization, floor=floor)
            if behind is None:
                return False
            organization_id = behind.organization_id
            await tx.fetch(queries.lock_organizations, organization_ids=[organization_id])
            forgotten = await tx.fetch(
                queries.forget_old_intents,
                organization_id=organization_id,
                after=behind.up_to or _FIRST,
                floor=floor,
                most=A_STEP,
            )
            hashes = {row.number_hash for row in forgotten if row.number_hash is not None}
            await tx.execute(
                queries.forget_idle_recipients, organization_id=organization_id, number_hashes=sorted(hashes)
            )
        return True  # there may be more of it, or of another organization

    async def signals(self, before: datetime) -> bool:
        """Forget signals; their counts by minute stay."""
        async with self.database.autocommit() as tx:
            return await tx.execute(queries.forget_signals, before=before, most=A_STEP) == A_STEP

    async def mutations(self, before: datetime) -> bool:
        """Forget the answers of changes."""
        async with self.database.autocommit() as tx:
            return await tx.execute(queries.forget_mutations, before=before, most=A_STEP) == A_STEP

    async def refused(self, before: datetime) -> bool:
        """Forget what receivers refused."""
        return await self.outbox.forget_refused(before, most=A_STEP) == A_STEP
