"""Tell the life of one intent to its organization. Knows no rows and no wire."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from audit.domain.timeline import Recorded, Surroundings, Timeline, assemble, surroundings
from kernel.clock import Clock
from kernel.errors import not_found
from kernel.ids import moment_of


class Lives(Protocol):
    """Where the events of an intent and of what was around it are found."""

    async def read_intent(self, organization_id: str, intent_id: UUID) -> Sequence[Recorded]:
        """Return the intent's own events, in any order; none if it is not the organization's."""
        ...

    async def read_surroundings(self, organization_id: str, around: Surroundings) -> Sequence[Recorded]:
        """Return the events of the pauses and cooldowns that covered it at some time of its life."""
        ...


async def explain_intent(*, organization_id: str, intent_id: UUID, lives: Lives, clock: Clock) -> Timeline:
    """Return the intent's timeline. Raises `Failure` NOT_FOUND, alike for a missing and a foreign one."""
    own = await lives.read_intent(organization_id, intent_id)
    if not own:
        raise not_found("intent")
    now = clock.now()
    around = surroundings(own, created_at=moment_of(intent_id), now=now)
    return assemble(own, await lives.read_surroundings(organization_id, around), now=now)
