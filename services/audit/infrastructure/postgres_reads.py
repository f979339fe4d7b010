"""Read lives, sums and lists back from the tables. Writes nothing and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from audit.application.measure import Kept
from audit.domain.arrival import Reading
from audit.domain.event import EventType
from audit.domain.metrics import Sum, Waiting
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


class PostgresSums:
    """The sums that the numbers are read from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_instance(self, organization_id: str, instance_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of one instance since `start`."""
        asked = {
            "organization_id": organization_id,
            "instance_id": instance_id,
            "campaign_id": campaign_id,
            "start": start,
        }
        async with self._database.autocommit() as tx:
            counted = await tx.fetch(queries.count_instance, **asked)
            peaks = await tx.fetch(queries.saturate_instance, **asked)
        return _kept(counted, peaks)

    async def of_organization(self, organization_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of all instances since `start`."""
        asked = {"organization_id": organization_id, "campaign_id": campaign_id, "start": start}
        async with self._database.autocommit() as tx:
            counted = await tx.fetch(queries.count_organization, **asked)
            peaks = await tx.fetch(queries.saturate_organization, **asked)
        return _kept(counted, peaks)

    async def backlogs(self, organization_id: str, *, start: datetime) -> Sequence[Waiting]:
        """Return the newest measurement of each service, if it was made since `start`."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(queries.read_backlogs, organization_id=organization_id, start=start)
        return [
            Waiting(producer=row.producer, waiting=row.waiting, oldest=row.oldest, measured_at=row.measured_at)
            for row in rows
        ]


def _kept(counted: Sequence[Row[Any]], peaks: Sequence[Row[Any]]) -> Kept:
    return Kept(
        sums=[
            Sum(
                instance_id=row.instance_id,
                event_type=EventType(row.event_type),
                reason=row.reason,
                events=row.events,
                approval_count=row.approval_count,
                approval_us=int(row.approval_us),
                submission_count=row.submission_count,
                submission_us=int(row.submission_us),
            )
            for row in counted
        ],
        peaks={row.instance_id: Reading(row.limit_name, row.used, row.most) for row in peaks},
    )


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
