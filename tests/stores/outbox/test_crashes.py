"""A relay that dies at any step loses nothing; what it had delivered already may be delivered once more."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.postgres import Databases
from tests.stores.outbox.post_office import LAPSE, PostOffice, emptied, outbox_of, post, waiting

from chassis.database import Database, Query
from chassis.outbox import Outbox, Refusal

Start = Callable[[Outbox], asyncio.Event]
ITEMS = [f"{number:03}" for number in range(40)]
HOLD_ONE = Query.of("hold_one", "SELECT parcel_id FROM outbox ORDER BY parcel_id DESC LIMIT 1 FOR UPDATE")
DELETING = Query.of(
    "deleting",
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM outbox%'",
)
LEASED = Query.of("leased", "SELECT count(*) AS parcels FROM outbox WHERE tries > 0")


@asynccontextmanager
async def until_it_dies(outbox: Outbox) -> AsyncIterator[None]:
    """Run an outbox and end it as a killed process ends: nothing is flushed and no lease given up."""
    running = asyncio.create_task(outbox.run(asyncio.Event()))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def stored(database: Database, office: PostOffice) -> None:
    """Store parcels of two items, that nobody holds."""
    before = outbox_of(database, office)
    for first, second in zip(ITEMS[::2], ITEMS[1::2], strict=True):
        await post(before, first, second)
    async with database.transaction() as tx:
        await tx.execute(LAPSE)


async def found(database: Database, query: Query) -> int:
    async with asyncio.timeout(8), database.autocommit() as connection:
        while (row := await connection.fetch_one(query)) is None or not row[0]:  # noqa: ASYNC110 - a table gives no signal
            await asyncio.sleep(0.01)
        return int(row[0])


async def survivor_delivers_all(databases: Databases, url: str, start: Start, seen: PostOffice) -> PostOffice:
    """Let another process take over; together both have delivered every item, and the table is empty."""
    database, office = databases.connect(url), PostOffice()
    async with database.transaction() as tx:
        await tx.execute(LAPSE)
    start(outbox_of(database, office, lease=0.5))
    await emptied(database)
    assert seen.accepted.keys() | office.accepted.keys() == set(ITEMS)
    return office


async def test_after_the_read(databases: Databases, start: Start) -> None:
    url, office = await databases.url("letterbox"), PostOffice()
    database = databases.connect(url)
    await stored(database, office)
    office.held_back = asyncio.Event()
    async with until_it_dies(outbox_of(databases.connect(url), office)):
        await found(database, LEASED)
    assert await waiting(database) == len(ITEMS) // 2
    survivor = await survivor_delivers_all(databases, url, start, office)
    assert survivor.accepted == dict.fromkeys(ITEMS, 1)


async def test_after_the_send_before_the_answer(databases: Databases, start: Start) -> None:
    url, office = await databases.url("letterbox"), PostOffice()
    database = databases.connect(url)
    await stored(database, office)
    took_them, never = asyncio.Event(), asyncio.Event()

    async def answer_is_lost(payload: bytes) -> Sequence[Refusal]:
        await office.deliver(payload)
        took_them.set()
        await never.wait()
        return []

    receiver = office.receiver()
    crashing = Outbox(
        databases.connect(url), [type(receiver)(name="office", deliver=answer_is_lost, split=receiver.split)]
    )
    async with until_it_dies(crashing), asyncio.timeout(8):
        await took_them.wait()
    assert await waiting(database) == len(ITEMS) // 2
    survivor = await survivor_delivers_all(databases, url, start, office)
    assert survivor.accepted.keys() == set(ITEMS), "what was not confirmed is delivered again"


async def test_after_the_answer_before_the_delete(
    databases: Databases, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, office = await databases.url("letterbox"), PostOffice()
    database = databases.connect(url)
    await stored(database, office)
    crashing = outbox_of(databases.connect(url), office)
    about_to_delete, never = asyncio.Event(), asyncio.Event()

    async def dies(*_: object) -> None:
        about_to_delete.set()
        await never.wait()

    monkeypatch.setattr(crashing._store, "confirm", dies)
    async with until_it_dies(crashing), asyncio.timeout(8):
        await about_to_delete.wait()
    assert await waiting(database) == len(ITEMS) // 2
    survivor = await survivor_delivers_all(databases, url, start, office)
    assert survivor.accepted.keys() == set(ITEMS)


async def test_in_the_middle_of_the_delete(databases: Databases, start: Start) -> None:
    url, office = await databases.url("letterbox"), PostOffice()
    database = databases.connect(url)
    await stored(database, office)
    office.held_back = asyncio.Event()
    async with until_it_dies(outbox_of(databases.connect(url), office, lease=60)):
        await found(database, LEASED)
        async with database.transaction() as other:
            await other.fetch(HOLD_ONE)  # the DELETE has removed the others when it waits for this one
            office.held_back.set()
            backend = await found(database, DELETING)
            await databases.administer(f"SELECT pg_terminate_backend({backend})")
            gone = Query.of("gone", f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {backend})")
            await found(database, gone)
            assert await waiting(database) == len(ITEMS) // 2, "half a delete is none"
    await survivor_delivers_all(databases, url, start, office)


async def test_old_parcels_go_before_new_ones_and_both_arrive(
    databases: Databases, office: PostOffice, start: Start
) -> None:
    url = await databases.url("letterbox")
    database = databases.connect(url)
    lease = 0.05
    await stored(database, office)
    await found(database, Query.of("old", "SELECT now() - min(created_at) > interval '1 second' FROM outbox"))
    order: list[str] = []

    async def deliver(payload: bytes) -> Sequence[Refusal]:
        order.extend(item_id for item_id, _ in office.receiver().split(payload))
        return await office.deliver(payload)

    receiver = office.receiver()
    slow = type(receiver)(name="office", deliver=deliver, split=receiver.split, max_items=4)
    outbox = Outbox(database, [slow], lease=timedelta(seconds=lease), memory_bytes=400)
    office.held_back = asyncio.Event()
    start(outbox)
    await office.called(1)
    for number in range(10):
        await post(outbox, f"new-{number}")
    office.held_back.set()
    await office.accepts(*ITEMS, *(f"new-{number}" for number in range(10)))
    first_new = next(place for place, item in enumerate(order) if item.startswith("new"))
    assert set(order[:first_new]) == set(ITEMS), "a new parcel overtook an old one"
    assert await outbox.flush(timedelta(seconds=5))
