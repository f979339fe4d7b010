"""Read the lives of intents and of pauses from the log. Writes nothing and decides nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from audit.domain.event import EventType
from audit.domain.stop import ENDS_OF_ATTEMPTS, MOST_SENDS, Window
from audit.domain.timeline import FIRST_EVENTS, NEWEST_AROUND, NEWEST_EVENTS, Read, Recorded, Surroundings
from audit.infrastructure.postgres_reads import CLOCKS_DISAGREE, id_at, queries
from audit.infrastructure.wire import recorded
from chassis.database import Database, Row


def floor_of_intent(intent_id: UUID) -> UUID:
    """Return the lowest id that an event of that intent can have, whatever its id claims to be."""
    slack = int(CLOCKS_DISAGREE.total_seconds() * 1000)
    return UUID(int=max(0, (intent_id.int >> 80) - slack) << 80)


class PostgresLives:
    """The events of an intent or a pause, and of what was around it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_intent(self, organization_id: str, intent_id: UUID) -> Read:
        """Return the intent's own events, of a long life the oldest and the newest; none if it is not theirs."""
        asked = {
            "organization_id": organization_id,
            "intent_id": str(intent_id),
            "floor": floor_of_intent(intent_id),
        }
        async with self._database.autocommit() as tx:
            newest = await tx.fetch(queries.read_newest_of_intent, **asked, size=NEWEST_EVENTS)
            if len(newest) < NEWEST_EVENTS:
                return Read(events=_recorded(newest))
            before = newest[-1].event_id
            oldest = await tx.fetch(queries.read_oldest_of_intent, **asked, before=before, size=FIRST_EVENTS + 1)
        return Read(events=_recorded([*oldest[:FIRST_EVENTS], *newest]), whole=len(oldest) <= FIRST_EVENTS)

    async def read_surroundings(self, organization_id: str, around: Surroundings) -> Read:
        """Return the events of the pauses and cooldowns that covered the intent, of very many those that ended last."""
        places = [
            ("", "PLATFORM", ""),
            (organization_id, "ORGANIZATION", ""),
            *((organization_id, "CAMPAIGN", campaign_id) for campaign_id in around.campaign_ids),
            *((organization_id, "INSTANCE", instance_id) for instance_id in around.instance_ids),
        ]
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(
                queries.read_surroundings,
                organization_ids=[place[0] for place in places],
                scopes=[place[1] for place in places],
                targets=[place[2] for place in places],
                start=around.start,
                end=around.end,
                size=NEWEST_AROUND + 1,
            )
        return Read(events=_recorded(rows[:NEWEST_AROUND]), whole=len(rows) <= NEWEST_AROUND)

    async def newest_pause(self, organization_id: str, *, scope: str, target: str) -> str:
        """Return the id of the newest pause of a campaign or instance; empty if there was none."""
        async with self._database.autocommit() as tx:
            row = await tx.fetch_one(
                queries.find_newest_pause, organization_id=organization_id, scope=scope, target=target
            )
        return str(row.scope_id) if row is not None else ""

    async def read_pause(self, organization_id: str, control_id: str) -> Sequence[Recorded]:
        """Return the events of a pause of the organization or of the whole platform, in any order."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(queries.read_pause, organization_ids=[organization_id, ""], control_id=control_id)
        return _recorded(rows)

    async def read_sends(self, organization_id: str, asked: Window) -> Read:
        """Return the attempts that ended in that time, of very many the newest."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(
                queries.read_sends,
                organization_id=organization_id,
                campaign_id=asked.campaign_id,
                instance_id=asked.instance_id,
                types=[one.value for one in ENDS_OF_ATTEMPTS],
                floor=id_at(asked.start),
                ceiling=id_at(asked.end),
                size=MOST_SENDS + 1,
            )
        return Read(events=_recorded(rows[:MOST_SENDS]), whole=len(rows) <= MOST_SENDS)


def _recorded(rows: Iterable[Row]) -> list[Recorded]:
    return [recorded(row.body, row.recorded_at) for row in rows]


class PostgresTallies:
    """Which events of many intents are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, organization_id: str, intent_ids: Sequence[UUID]
    ) -> Mapping[str, Sequence[tuple[int, EventType]]]:
        """Return sequence and type of each stored event, by intent; intents without any are not in it."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(
                queries.tally_intents,
                organization_id=organization_id,
                intent_ids=[str(intent_id) for intent_id in intent_ids],
                floor=floor_of_intent(min(intent_ids)),
            )
        tallies: dict[str, list[tuple[int, EventType]]] = defaultdict(list)
        for row in rows:
            tallies[row.aggregate_id].append((row.sequence, EventType(row.event_type)))
        return tallies
