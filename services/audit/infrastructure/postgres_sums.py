"""Read the sums that the numbers are made of. Reads no event, so that what it costs does not grow with them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from audit.application.measure import Breakdown, Kept, KeptParts
from audit.domain.arrival import Reading
from audit.domain.durations import Durations
from audit.domain.event import EventType
from audit.domain.metrics import Sum, Waiting
from audit.domain.rollup import full_span_from
from audit.domain.series import Steps
from audit.infrastructure.packing import unpack
from chassis.database import Database, Query, Row, load_queries

queries = load_queries("audit")


class PostgresSums:
    """The sums of minutes, tens of minutes, hours and days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_instance(self, organization_id: str, instance_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of one instance since `start`."""
        asked = {"organization_id": organization_id, "instance_id": instance_id, "campaign_id": campaign_id}
        return await self._kept(queries.count_instance, queries.saturate_instance, start, asked)

    async def of_organization(self, organization_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of all instances since `start`."""
        asked = {"organization_id": organization_id, "campaign_id": campaign_id}
        return await self._kept(queries.count_organization, queries.saturate_organization, start, asked)

    async def of_points(
        self, organization_id: str, steps: Steps, *, instance_id: str, campaign_id: str, start: datetime
    ) -> Mapping[datetime, Sequence[Sum]]:
        """Return the sums of each point since `start` by the point's start, without reasons."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(
                queries.count_points,
                organization_id=organization_id,
                instance_id=instance_id,
                campaign_id=campaign_id,
                start=start,
                step=steps.step,
                minutes=steps.span,
            )
        found: dict[datetime, list[Sum]] = {}
        for row in rows:
            found.setdefault(row.point, []).append(_sum(row))
        return found

    async def of_parts(self, organization_id: str, by: Breakdown, *, start: datetime) -> KeptParts:
        """Return the sums of each instance or campaign since `start`, without reasons."""
        asked = {"organization_id": organization_id, "by_campaign": by is Breakdown.CAMPAIGN}
        async with self._database.snapshot() as tx:
            counted = await tx.fetch(queries.count_parts, **asked, **edges(start))
            peaks = await tx.fetch(queries.saturate_parts, **asked, **edges(start))
        found: dict[str, list[Sum]] = {}
        for row in counted:
            found.setdefault(row.part, []).append(_sum(row))
        return KeptParts(sums=found, peaks={row.part: Reading(row.limit_name, row.used, row.most) for row in peaks})

    async def backlogs(self, organization_id: str, *, start: datetime) -> Sequence[Waiting]:
        """Return the newest measurement of each service, if it was made since `start`."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(queries.read_backlogs, organization_id=organization_id, start=start)
        return [
            Waiting(producer=row.producer, waiting=row.waiting, oldest=row.oldest, measured_at=row.measured_at)
            for row in rows
        ]

    async def _kept(self, count: Query, saturate: Query, start: datetime, asked: dict[str, str]) -> Kept:
        since = edges(start)
        async with self._database.snapshot() as tx:
            counted = await tx.fetch(count, **asked, **since)
            peaks = await tx.fetch(saturate, **asked, **since)
        return Kept(
            sums=[_sum(row, row.instance_id, row.reason) for row in counted],
            peaks={row.instance_id: Reading(row.limit_name, row.used, row.most) for row in peaks},
        )


def edges(start: datetime) -> dict[str, datetime]:
    """Return where a window that begins at `start` goes over to longer spans."""
    return {
        "start": start,
        "tens": full_span_from(start, 10),
        "hour": full_span_from(start, 60),
        "day": full_span_from(start, 1_440),
    }


def _sum(row: Row, instance_id: str = "", reason: str = "") -> Sum:
    return Sum(
        instance_id=instance_id,
        event_type=EventType(row.event_type),
        reason=reason,
        events=row.events,
        since_approval=_durations(row, "approval"),
        since_submission=_durations(row, "submission"),
    )


def _durations(row: Row, name: str) -> Durations:
    return Durations(
        count=getattr(row, f"{name}_count"),
        total_us=int(getattr(row, f"{name}_us")),
        buckets=unpack(getattr(row, f"{name}_times")),
    )
