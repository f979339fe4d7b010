"""Write the log, the quarantine and the sums, in one commit and one order. Decides nothing about what they hold."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

import asyncpg

from audit.application.record_events import Kept
from audit.domain.arrival import Arrival, Refused, Sorted, conflicting, in_one_order
from audit.domain.rollup import BacklogReading, CountKey, PeakKey, Rollup, roll_up
from audit.infrastructure.packing import pack
from chassis.database import Database, Transaction, load_queries

queries = load_queries("audit")

COPY_ABOVE = 20
FOLD_ABOVE = 250  # counts: adding them to the sums takes a few ms, reading them beside the sums less than one
_FIELDS = Arrival._fields[: Arrival._fields.index("body") + 1]
COLUMNS = tuple("event_type" if name == "type" else name for name in _FIELDS)
_WIDTH = len(COLUMNS)

Store = Callable[[Transaction, Sequence[Arrival]], Awaitable[Sequence[Arrival]]]


class PostgresEventLog:
    """The log, the quarantine and the sums, written together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unfolded = FOLD_ABOVE  # a process that ended may have left some

    async def keep(self, calls: Sequence[Sorted]) -> Sequence[Kept]:
        """Store what is new, with what it adds to the numbers, and set aside the rest, in one commit for all calls.

        Every commit takes its locks in the same order (event ids, then each sum by key), so that no two deadlock.
        """
        arrivals = in_one_order(calls)
        if len(arrivals) > COPY_ABOVE:
            try:
                return await self._keep(calls, arrivals, _copy)
            except asyncpg.UniqueViolationError:
                pass  # Something in it came before: what exactly is found out row by row.
        return await self._keep(calls, arrivals, _insert)

    async def _keep(self, calls: Sequence[Sorted], arrivals: Sequence[Arrival], store: Store) -> Sequence[Kept]:
        async with self._database.transaction() as tx:
            new = await store(tx, arrivals)
            kept = await _by_call(tx, calls, new)
            await _set_aside(tx, [one for call in kept for one in call.refused])
            rollup = roll_up(new)
            await _add_up(tx, rollup)
            self._unfolded += len(rollup.counts)
            if self._unfolded > FOLD_ABOVE:
                self._unfolded = 0
                await tx.execute(queries.fold_counts)
        return kept

    async def ensure_partitions(self, *, weeks: int, keep: timedelta) -> int:
        """Make what is missing of the weeks to come and of those since the newest one; return how many were made."""
        async with self._database.transaction() as tx:
            row = await tx.fetch_one(queries.ensure_partitions, weeks=weeks, keep=keep)
        return int(row.made) if row is not None else 0


async def _copy(tx: Transaction, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    await tx.copy("operational_event", COLUMNS, arrivals)  # which reads of each as many as there are columns
    return arrivals


async def _insert(tx: Transaction, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    if not arrivals:
        return ()
    rows = await tx.fetch(queries.insert_events, **_columns(COLUMNS, (one[:_WIDTH] for one in arrivals)))
    if len(rows) == len(arrivals):
        return arrivals
    stored = {str(row.event_id) for row in rows}
    return [one for one in arrivals if one.event_id in stored]


async def _by_call(tx: Transaction, calls: Sequence[Sorted], new: Sequence[Arrival]) -> Sequence[Kept]:
    """Tell each call what is new of it, and which of its ids other content has; a mere repeat is no news."""
    if len(new) == sum(len(call.arrivals) for call in calls):
        return [Kept(new=call.arrivals, refused=call.refused) for call in calls]
    stored = {id(one) for one in new}
    repeated = [[one for one in call.arrivals if id(one) not in stored] for call in calls]
    rows = await tx.fetch(queries.find_bodies, event_ids=[one.event_id for call in repeated for one in call])
    bodies = {str(row.event_id): row.body for row in rows}
    return [
        Kept(
            new=tuple(one for one in call.arrivals if id(one) in stored),
            refused=(*call.refused, *(conflicting(-1, one) for one in again if bodies.get(one.event_id) != one.body)),
        )
        for call, again in zip(calls, repeated, strict=True)
    ]


async def _set_aside(tx: Transaction, refused: Sequence[Refused]) -> None:
    if not refused:
        return
    await tx.execute(
        queries.quarantine_events,
        event_id=[one.event_id for one in refused],
        peer=[one.peer for one in refused],
        reason=[one.reason for one in refused],
        message=[one.message for one in refused],
        body=[one.body for one in refused],
        recorded_at=[one.recorded_at for one in refused],
    )


async def _add_up(tx: Transaction, rollup: Rollup) -> None:
    if rollup.counts:
        approvals = [one.since_approval for one in rollup.counts]
        submissions = [one.since_submission for one in rollup.counts]
        await tx.execute(
            queries.count_events,
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
