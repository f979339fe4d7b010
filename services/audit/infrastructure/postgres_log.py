"""Write the log, the quarantine and the sums, in one commit and one order. Decides nothing about what they hold."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import asyncpg

from audit.application.record_events import Kept
from audit.domain.arrival import Arrival, Refused, Sorted, conflicting
from audit.domain.rollup import BacklogReading, CountKey, PeakKey, Rollup, roll_up
from audit.infrastructure.packing import pack
from chassis.database import Database, Transaction, load_queries

queries = load_queries("audit")

COPY_ABOVE = 20
_FIELDS = Arrival._fields[: Arrival._fields.index("body") + 1]
COLUMNS = tuple("event_type" if name == "type" else name for name in _FIELDS)
_WIDTH = len(COLUMNS)


class PostgresEventLog:
    """The log, the quarantine and the sums, written together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, batch: Sorted, *, peer: str, now: datetime) -> Kept:
        """Store what is new, with what it adds to the numbers, and set aside the rest, in one commit.

        Every batch takes its locks in the same order (event ids, then each sum by key), so that no two deadlock.
        """
        if len(batch.arrivals) > COPY_ABOVE:
            try:
                async with self._database.transaction() as tx:
                    await tx.copy("operational_event", COLUMNS, [one[:_WIDTH] for one in batch.arrivals])
                    await _set_aside(tx, batch.refused, peer=peer, now=now)
                    await _add_up(tx, roll_up(batch.arrivals))
                return Kept(new=batch.arrivals, refused=batch.refused)
            except asyncpg.UniqueViolationError:
                pass  # Something in it came before: what exactly is found out row by row.
        async with self._database.transaction() as tx:
            new = await _insert(tx, batch.arrivals)
            refused = (*batch.refused, *await _conflicts(tx, batch.arrivals, new))
            await _set_aside(tx, refused, peer=peer, now=now)
            await _add_up(tx, roll_up(new))
        return Kept(new=new, refused=refused)

    async def ensure_partitions(self, *, weeks: int, keep: timedelta) -> int:
        """Make what is missing of the weeks to come and of those since the newest one; return how many were made."""
        async with self._database.transaction() as tx:
            row = await tx.fetch_one(queries.ensure_partitions, weeks=weeks, keep=keep)
        return int(row.made) if row is not None else 0


async def _insert(tx: Transaction, arrivals: Sequence[Arrival]) -> tuple[Arrival, ...]:
    if not arrivals:
        return ()
    rows = await tx.fetch(queries.insert_events, **_columns(COLUMNS, (one[:_WIDTH] for one in arrivals)))
    if len(rows) == len(arrivals):
        return tuple(arrivals)
    stored = {str(row.event_id) for row in rows}
    return tuple(one for one in arrivals if one.event_id in stored)


async def _conflicts(tx: Transaction, arrivals: Sequence[Arrival], new: Sequence[Arrival]) -> list[Refused]:
    """Return those whose id was taken by other content; a mere repeat is no news."""
    if len(arrivals) == len(new):
        return []
    stored = {one.event_id for one in new}
    repeated = [one for one in arrivals if one.event_id not in stored]
    rows = await tx.fetch(queries.find_bodies, event_ids=[one.event_id for one in repeated])
    bodies = {str(row.event_id): row.body for row in rows}
    return [conflicting(-1, one) for one in repeated if bodies.get(one.event_id) != one.body]


async def _set_aside(tx: Transaction, refused: Sequence[Refused], *, peer: str, now: datetime) -> None:
    if not refused:
        return
    await tx.execute(
        queries.quarantine_events,
        event_id=[one.event_id for one in refused],
        reason=[one.reason for one in refused],
        message=[one.message for one in refused],
        body=[one.body for one in refused],
        peer=peer,
        recorded_at=now,
    )


async def _add_up(tx: Transaction, rollup: Rollup) -> None:
    if rollup.counts:
        approvals = [one.since_approval for one in rollup.counts]
        submissions = [one.since_submission for one in rollup.counts]
        await tx.execute(
            queries.add_counts,
            **_columns(CountKey._fields, (one.key for one in rollup.counts)),
            events=[one.events for one in rollup.counts],
            approval_count=[one.count for one in approvals],
            approval_us=[one.total_us for one in approvals],
            approval_times=[pack(one.buckets) for one in approvals],
            submission_count=[one.count for one in submissions],
            submission_us=[one.total_us for one in submissions],
            submission_times=[pack(one.buckets) for one in submissions],
        )
    if rollup.peaks:
        await tx.execute(
            queries.raise_peaks,
            **_columns(PeakKey._fields, (one.key for one in rollup.peaks)),
            ratio=[one.reading.ratio for one in rollup.peaks],
            used=[one.reading.used for one in rollup.peaks],
            most=[one.reading.max for one in rollup.peaks],
            limit_name=[one.reading.limit for one in rollup.peaks],
        )
    if rollup.backlogs:
        await tx.execute(queries.note_backlogs, **_columns(BacklogReading._fields, rollup.backlogs))
    for interval in rollup.intervals:
        await tx.execute(
            queries.extend_interval,
            organization_id=interval.organization_id,
            event_ids=list(interval.event_ids),
            **interval.mark._asdict(),
        )


def _columns(names: Sequence[str], rows: Iterable[Sequence[object]]) -> dict[str, list[object]]:
    """Turn rows into one array a column, as statements that take a whole batch want them."""
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
