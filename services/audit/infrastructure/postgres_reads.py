"""Read the log back as a list. Writes nothing and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.database import Database, load_queries

queries = load_queries("audit")

CLOCKS_DISAGREE = timedelta(hours=1)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)


def id_at(moment: datetime) -> UUID:
    """Return the lowest id of that time."""
    return UUID(int=(moment - EARLIEST) // timedelta(milliseconds=1) << 80)


def floor_of(moment: datetime) -> UUID:
    """Return the lowest id that an event of that time or later can have."""
    return id_at(max(moment - CLOCKS_DISAGREE, EARLIEST))


def ceiling_of(moment: datetime) -> UUID:
    """Return an id above all of events before that time; a producer makes an event's id as it records the fact."""
    return id_at(min(moment, LATEST - CLOCKS_DISAGREE) + CLOCKS_DISAGREE)


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
            "before": min(before, ceiling_of(asked.until)),
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
            elif asked.instance_id:
                rows = await tx.fetch(queries.list_events_of_instance, **wanted)
            else:
                rows = await tx.fetch(queries.list_events, **wanted)
        return [Stored(event_id=row.event_id, body=row.body, recorded_at=row.recorded_at) for row in rows]
