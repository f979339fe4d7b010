"""Tell the life of one intent, or of one pause, to its organization. Knows no rows and no wire."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from audit.domain.stop import Stop, Window, tell, window
from audit.domain.timeline import Read, Recorded, Surroundings, Timeline, assemble, surroundings, told_apart
from kernel.clock import Clock
from kernel.errors import not_found
from kernel.ids import moment_of


class Lives(Protocol):
    """Where the events of an intent and of what was around it are found."""

    async def read_intent(self, organization_id: str, intent_id: UUID) -> Read:
        """Return the intent's own events, of a long life the oldest and the newest; none if it is not theirs."""
        ...

    async def read_surroundings(self, organization_id: str, around: Surroundings) -> Read:
        """Return the events of the pauses and cooldowns that covered it at some time of its life, or the newest."""
        ...


async def explain_intent(*, organization_id: str, intent_id: UUID, lives: Lives, clock: Clock) -> Timeline:
    """Return the intent's timeline. Raises `Failure` NOT_FOUND, alike for a missing and a foreign one."""
    own, erasures = told_apart(await lives.read_intent(organization_id, intent_id))
    if not own.events:
        raise not_found("intent")
    now = clock.now()
    wanted = surroundings(own.events, created_at=moment_of(intent_id), now=now)
    around = await lives.read_surroundings(organization_id, wanted)
    return assemble(own, Read(events=[*around.events, *erasures], whole=around.whole), now=now)


class Pauses(Protocol):
    """Where the events of a pause and of the sends around it are found."""

    async def newest_pause(self, organization_id: str, *, scope: str, target: str) -> str:
        """Return the id of the newest pause of a campaign or instance; empty if there was none."""
        ...

    async def read_pause(self, organization_id: str, control_id: str) -> Sequence[Recorded]:
        """Return the events of a pause of the organization or of the whole platform, in any order."""
        ...

    async def read_sends(self, organization_id: str, asked: Window) -> Read:
        """Return the attempts that ended in that time, of very many the newest."""
        ...


async def explain_pause(
    *, organization_id: str, pauses: Pauses, control_id: str = "", campaign_id: str = "", instance_id: str = ""
) -> Stop:
    """Return the story of a pause, by its id or as the newest of a campaign or instance. Raises `Failure` NOT_FOUND."""
    if not control_id:
        scope = "CAMPAIGN" if campaign_id else "INSTANCE"
        control_id = await pauses.newest_pause(organization_id, scope=scope, target=campaign_id or instance_id)
    events = await pauses.read_pause(organization_id, control_id) if control_id else ()
    if not events:
        raise not_found("pause")
    sends = await pauses.read_sends(organization_id, window([one.event for one in events]))
    return tell(events, sends)
