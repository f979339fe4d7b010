"""Read lives and lists back from the log. Writes nothing and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from audit.domain.timeline import Recorded, Surroundings
from audit.infrastructure.wire import recorded
from chassis.database import Database, load_queries

queries = load_queries("audit")

_SLACK = timedelta(hours=1)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)


def floor_of(moment: datetime) -> UUID:
    """Return the lowest id that an event of that time or later can have, with an hour for clocks that disagree."""
    milliseconds = (max(moment - _SLACK, EARLIEST) - EARLIEST) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)


def floor_of_intent(intent_id: UUID) -> UUID:
    """Return the lowest id that an event of that intent can have, whatever its id claims to be."""
    return UUID(int=max(0, (intent_id.int >> 80) - _SLACK // timedelta(milliseconds=1)) << 80)


class PostgresLives:
    """The events of an intent and of what was around it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_intent(self, organization_id: str, intent_id: UUID) -> Sequence[Recorded]:
        """Return the intent's own events; none if it is not the organization's."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(
                queries.read_intent,
                organization_id=organization_id,
                intent_id=str(intent_id),
                floor=floor_of_intent(intent_id),
            )
        return [recorded(row.body, row.recorded_at) for row in rows]

    async def read_surroundings(self, organization_id: str, around: Surroundings) -> Sequence[Recorded]:
        """Return the events of the pauses and cooldowns that covered the intent at some time of its life."""
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
            )
        return [recorded(row.body, row.recorded_at) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which events of an organization are asked for; whatever is empty does not matter."""

    organization_id: str
    types: Sequence[str] = ()
    campaign_id: str = ""
    instance_id: str = ""
    aggregate_id: str = ""
    start: datetime = EARLIEST
    until: datetime = LATEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An event as it lies in the log."""

    event_id: UUID
    body: bytes
    recorded_at: datetime


class PostgresLists:
    """The log as a list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, asked: Listing, *, before: UUID, size: int) -> Sequence[Stored]:
        """Return up to `size` events with ids below `before`, newest first, the whole platform's included."""
        wanted: dict[str, object] = {
            "organization_ids": sorted({asked.organization_id, ""}),
            "before": before,
            "floor": floor_of(asked.start),
            "types": list(asked.types) or None,
            "campaign_id": asked.campaign_id,
            "instance_id": asked.instance_id,
            "start": asked.start,
            "until": asked.until,
            "size": size,
        }
        async with self._database.autocommit() as tx:
            if asked.aggregate_id:
                rows = await tx.fetch(queries.list_events_of_aggregate, **wanted, aggregate_id=asked.aggregate_id)
            else:
                rows = await tx.fetch(queries.list_events, **wanted)
        return [Stored(event_id=row.event_id, body=row.body, recorded_at=row.recorded_at) for row in rows]
