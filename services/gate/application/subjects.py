"""What erasures and exports need from the store. Knows people by the hashes of their numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRequest:
    """What a person's request came to, to be told as an event, and as one for each intent that was forgotten."""

    organization_id: str
    recipient_id: UUID
    erased: bool
    actor: str
    reason: str
    intents: int
    canceled: int = 0
    forgotten: Collection[UUID] = ()


class Subjects(Protocol):
    """Keeps what belongs to people."""

    async def queued_intents(self, organization_id: str, number_hash: bytes) -> Sequence[UUID]:
        """Return the intents that wait for a person."""
        ...

    async def forget_intents(self, organization_id: str, number_hash: bytes) -> Sequence[UUID]:
        """Remove number, hashes and content from a person's intents, and from what the executor refused of them."""
        ...

    async def erase_later(self, organization_id: str, intent_ids: Sequence[UUID], *, actor: str) -> None:
        """Note that the executor has to forget these; it is asked until it has."""
        ...

    async def make_unknown(
        self, organization_id: str, number_hash: bytes, *, anew: bool, by: str, at: datetime
    ) -> UUID | None:
        """Give a person a new random id, suppressed and without a past, and return the one before.

        One who was erased before keeps the id, and has none to return, unless `anew`.
        """
        ...
