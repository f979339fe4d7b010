"""A receiver whose behaviour is set by the test. Its requests are lines, each one item: `<item id> <text>`."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from chassis.database import Database, Query
from chassis.outbox import Outbox, Receiver, Refusal
from kernel.errors import Failure, Kind

WAITING = Query.of("waiting", "SELECT count(*) AS parcels FROM outbox")
REFUSED = Query.of("refused", "SELECT item_id, payload, reason FROM outbox_refused ORDER BY item_id")
LAPSE = Query.of("lapse", "UPDATE outbox SET lease_until = now() - interval '1 second'")
LEASED = Query.of("leased", "SELECT extract(epoch FROM max(lease_until - created_at)) AS seconds FROM outbox")


def request(*items: str) -> bytes:
    """Serialise a request that carries these items."""
    return b"".join(f"{item} text of {item}\n".encode() for item in items)


def split(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for line in payload.splitlines(keepends=True):
        yield line.split(b" ")[0].decode(), line


@dataclass
class PostOffice:
    """Counts what it accepted, and fails as told."""

    failure: Failure | None = None
    poison: dict[str, Failure] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    held_back: asyncio.Event | None = None
    accepted: Counter[str] = field(default_factory=Counter)
    calls: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, payload: bytes) -> Sequence[Refusal]:
        items = [item_id for item_id, _ in split(payload)]
        self.calls.append(len(items))
        self.changed.set()
        if self.held_back is not None:
            await self.held_back.wait()
        if self.failure is not None:
            raise self.failure
        for item_id in items:
            if item_id in self.poison:
                raise self.poison[item_id]
        self.accepted.update(item_id for item_id in items if item_id not in self.refused)
        self.changed.set()
        return [
            Refusal(item_id=item_id, reason="NOT_WANTED", message="no such street")
            for item_id in items
            if item_id in self.refused
        ]

    def receiver(self, **options: object) -> Receiver:
        return Receiver(name="office", deliver=self.deliver, split=split, **options)  # type: ignore[arg-type]

    async def accepts(self, *items: str, within: float = 8) -> None:
        """Wait until every one of `items` was accepted at least once."""
        async with asyncio.timeout(within):
            while not self.accepted.keys() >= set(items):
                self.changed.clear()
                await self.changed.wait()

    async def called(self, times: int, within: float = 8) -> None:
        """Wait until so many calls have come in."""
        async with asyncio.timeout(within):
            while len(self.calls) < times:
                self.changed.clear()
                await self.changed.wait()


def outbox_of(database: Database, office: PostOffice, *, lease: float = 5.0, **options: object) -> Outbox:
    return Outbox(database, [office.receiver(**options)], lease=timedelta(seconds=lease))


async def post(outbox: Outbox, *items: str) -> None:
    async with outbox.transaction() as tx:
        tx.post("office", request(*items), len(items))


async def waiting(database: Database) -> int:
    async with database.autocommit() as connection:
        row = await connection.fetch_one(WAITING)
        assert row is not None
        return int(row.parcels)


async def emptied(database: Database, but: int = 0, within: float = 8) -> None:
    """Wait until the table holds no more than `but` parcels."""
    async with asyncio.timeout(within):
        while await waiting(database) > but:  # noqa: ASYNC110 - a table gives no signal
            await asyncio.sleep(0.02)


async def renewed(database: Database, *, since_creation: float, within: float = 8) -> None:
    """Wait until a lease ends so many seconds after its parcel was put."""
    async with asyncio.timeout(within), database.autocommit() as connection:
        while (row := await connection.fetch_one(LEASED)) is None or row.seconds < since_creation:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def set_aside(database: Database) -> list[tuple[str, bytes, str]]:
    async with database.autocommit() as connection:
        return [(row.item_id, row.payload, row.reason) for row in await connection.fetch(REFUSED)]


def unavailable() -> Failure:
    return Failure(Kind.UNAVAILABLE, "RECEIVER_AWAY", "nobody answers")


def overloaded() -> Failure:
    return Failure(Kind.RESOURCE_EXHAUSTED, "QUEUE_FULL", "too much waits", retry_after=timedelta(seconds=1))


def invalid() -> Failure:
    return Failure(Kind.INVALID_ARGUMENT, "INVALID_FIELD", "cannot be read")


def internal() -> Failure:
    return Failure(Kind.INTERNAL, "INTERNAL", "something broke")
