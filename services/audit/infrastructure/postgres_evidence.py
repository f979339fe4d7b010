"""Keep the log's leaves, nodes and checkpoints, and read them back. Signs nothing and judges nothing."""

from bisect import bisect
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from uuid import UUID

from audit.domain.arrival import Arrival
from audit.domain.checkpoint import Refused
from audit.domain.merkle import Place, Run, Tree, roots_of, runs_below, tree_of
from audit.infrastructure.parsing import parse
from audit.infrastructure.postgres_log import COLUMNS
from chassis.database import Database, Row, Transaction, load_queries

queries = load_queries("audit")

LEAVES_AT_ONCE = 5_000
_FIRST_REACH = 1_000
_PAGE_BYTES = 2_000_000  # a message has at most 4 MB, a body at most 64 KB
_LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Up to where all events are sealed, and how many transactions further the next look goes.

    A look reads every event within its reach and keeps the first LEAVES_AT_ONCE. So the reach is halved where that
    were too many, and doubled where not: a backlog of any size is worked off without reading it again and again.
    """

    transaction_id: int = 0
    event_id: UUID = UUID(int=0)  # noqa: RUF009 - immutable
    transactions: int = _FIRST_REACH


class PostgresSealing:
    """One transaction in which the log grows."""

    def __init__(self, tx: Transaction, reach: Reach) -> None:
        self._tx = tx
        self.reach = reach
        self.more = False

    async def newest(self) -> str | None:
        """Return the newest checkpoint's note."""
        row = await self._tx.fetch_one(queries.read_newest_checkpoint)
        return None if row is None else str(row.note)

    async def tree(self, size: int) -> Tree:
        """Return the tree of the first `size` leaves. Raises Missing."""
        return tree_of(size, await _stored(self._tx, runs_below([(0, size)])))

    async def roots(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return the root of each range of leaves. Raises Missing."""
        return roots_of(ranges, await _stored(self._tx, runs_below(ranges)))

    async def append(self, size: int) -> Sequence[bytes]:
        """Make leaves of the next events and return their hashes. Raises Refused if the log does not have that size."""
        place = await self._tx.fetch_one(queries.read_sealing_place)
        assert place is not None  # noqa: S101 - it always gives a row
        if place.size != size:
            raise Refused(f"the newest checkpoint is of {size} leaves, {place.size} are stored")
        if place.horizon <= place.transaction_id:
            raise Refused(
                f"the database counts transactions anew: it is at {place.horizon}, the last leaf is of"
                f" {place.transaction_id}"
            )
        since = (place.transaction_id, place.event_id)
        if self.reach.transaction_id < place.horizon:  # else the database is not what it was: a backup, a standby
            since = max(since, (self.reach.transaction_id, self.reach.event_id))
        ceiling = min(place.horizon, since[0] + self.reach.transactions)
        made = await self._tx.fetch_one(
            queries.seal_events,
            size=size,
            transaction_id=since[0],
            event_id=since[1],
            ceiling=ceiling,
            most=LEAVES_AT_ONCE,
        )
        assert made is not None  # noqa: S101 - it always gives a row
        if made.leaves == LEAVES_AT_ONCE:
            self.reach = Reach(transactions=max(1, self.reach.transactions // 2))
            self.more = True
        else:
            self.reach = Reach(
                transaction_id=ceiling - 1, event_id=_LAST_ID, transactions=2 * min(self.reach.transactions, 2**60)
            )
            self.more = ceiling < place.horizon
        hashes = made.hashes or b""
        return [hashes[start : start + 32] for start in range(0, len(hashes), 32)]

    async def keep(self, nodes: Sequence[tuple[Place, bytes]], *, size: int, note: str) -> None:
        """Store what follows from new leaves."""
        await self._tx.execute(
            queries.insert_nodes,
            levels=[level for (level, _), _ in nodes],
            positions=[number for (_, number), _ in nodes],
            hashes=[digest for _, digest in nodes],
        )
        await self._tx.execute(queries.insert_checkpoint, size=size, note=note)


class PostgresSealer:
    """Begins the transactions in which the log grows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reach = Reach()

    @asynccontextmanager
    async def sealing(self) -> AsyncIterator[PostgresSealing | None]:
        """Give the right to let the log grow until the block ends, or None while another replica has it."""
        async with self._database.transaction() as tx:
            row = await tx.fetch_one(queries.lock_sealing)
            if row is None or not row.locked:
                yield None
                return
            sealing = PostgresSealing(tx, self._reach)
            yield sealing
        self._reach = sealing.reach  # only what is committed moves it

    async def summarize(self) -> None:
        """Let the index know of what was written since the last time, so that a look reads only what is new."""
        async with self._database.transaction() as tx:
            await tx.fetch_one(queries.summarize_transactions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint as it was signed."""

    size: int
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf; event id and body only where the reader may see them, the body while it is kept.

    `misfiled` is the first column that says otherwise than the body, from which all columns were made; empty if none.
    """

    position: int
    hash: bytes
    event_id: UUID | None
    body: bytes | None
    misfiled: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Leaves in order, the checkpoints of trees that end among them, and events that should be
    leaves and are not, each with the leaf it belongs before."""

    leaves: Sequence[Leaf]
    notes: Sequence[str]
    strays: Sequence[tuple[UUID, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: an organization, or one who may see everything."""

    organization_id: str
    everything: bool


class PostgresEvidence:
    """The log, read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def checkpoint(self, size: int | None = None) -> Signed | None:
        """Return the checkpoint of that size, or the newest."""
        async with self._database.autocommit() as tx:
            if size is None:
                row = await tx.fetch_one(queries.read_newest_checkpoint)
            else:
                row = await tx.fetch_one(queries.read_checkpoint, size=size)
        return None if row is None else Signed(size=row.size, note=row.note, signed_at=row.signed_at)

    async def roots(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return the root of each range of leaves. Raises Missing."""
        async with self._database.autocommit() as tx:
            return roots_of(ranges, await _stored(tx, runs_below(ranges)))

    async def find(self, event_id: UUID, reader: Reader) -> Leaf | None:
        """Return the leaf of an event that the reader may see."""
        async with self._database.autocommit() as tx:
            row = await tx.fetch_one(queries.find_leaf, event_id=event_id, **_who(reader))
        return None if row is None else _leaf(row, visible=True)

    async def waits(self, event_id: UUID, reader: Reader) -> bool:
        """Say whether an event is stored that the reader may see."""
        async with self._database.autocommit() as tx:
            return await tx.fetch_one(queries.find_unsealed_event, event_id=event_id, **_who(reader)) is not None

    async def page(self, *, start: int, end: int, reader: Reader) -> Page:
        """Return the leaves from `start` to before `end`, fewer where bodies are large."""
        async with self._database.autocommit() as tx:
            rows = await tx.fetch(queries.list_leaves, start=max(start - 1, 0), end=end, **_who(reader))
            before = rows[0] if rows and rows[0].position < start else None
            sizes = accumulate(len(row.body or b"") for row in rows)
            leaves = [
                row for row, size in zip(rows, sizes, strict=True) if row.position >= start and size <= _PAGE_BYTES
            ]
            notes = await tx.fetch(
                queries.list_checkpoints, start=start, end=leaves[-1].position + 1 if leaves else end
            )
            strays: Sequence[Row] = ()
            if leaves:
                strays = await tx.fetch(
                    queries.list_strays,
                    first_transaction=before.transaction_id if before else 0,
                    first_event=before.event_id if before else UUID(int=0),
                    last_transaction=leaves[-1].transaction_id,
                    last_event=leaves[-1].event_id,
                    **_who(reader),
                )
        order = [(row.transaction_id, row.event_id) for row in leaves]
        return Page(
            leaves=[_leaf(row, visible=row.visible) for row in leaves],
            notes=[row.note for row in notes],
            strays=[(row.event_id, start + bisect(order, (row.transaction_id, row.event_id))) for row in strays],
        )


def _leaf(row: Row, *, visible: bool) -> Leaf:
    return Leaf(
        position=row.position,
        hash=row.hash,
        event_id=row.event_id if visible else None,
        body=row.body,
        misfiled="" if row.body is None else _misfiled(row),
    )


def _misfiled(row: Row) -> str:
    read = parse(0, row.body, peer=row.producer, recorded_at=row.recorded_at)
    if not isinstance(read, Arrival):
        return "producer"
    filed = (str(row.event_id), *(getattr(row, name) for name in COLUMNS[1:]))
    return next((name for name, value, said in zip(COLUMNS, filed, read, strict=False) if value != said), "")


async def _stored(tx: Transaction, runs: Iterable[Run]) -> dict[Place, bytes]:
    wanted = list(runs)
    rows = await tx.fetch(
        queries.read_nodes,
        levels=[run.level for run in wanted],
        firsts=[run.first for run in wanted],
        ends=[run.end for run in wanted],
    )
    return {(row.level, row.position): row.hash for row in rows}


def _who(reader: Reader) -> dict[str, object]:
    return {"organization_id": reader.organization_id, "everything": reader.everything}
