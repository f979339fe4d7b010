"""What was not confirmed within its lease is relayed from the table, by whichever process is there."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.postgres import Databases
from tests.stores.outbox.post_office import (
    LAPSE,
    PostOffice,
    emptied,
    outbox_of,
    overloaded,
    post,
    renewed,
    request,
    unavailable,
    waiting,
)

from chassis.database import Database
from chassis.outbox import Outbox
from kernel.errors import Failure

Start = Callable[[Outbox], asyncio.Event]


async def test_a_crash_between_commit_and_send_is_made_good_by_another_process(
    databases: Databases, office: PostOffice, start: Start
) -> None:
    url = await databases.url("letterbox")
    crashed = outbox_of(databases.connect(url), office, lease=0.5)
    async with databases.connect(url).transaction() as tx:
        await crashed.put(tx, receiver="office", payload=request("a"), items=1)  # and never sent
    survivor = databases.connect(url)
    start(outbox_of(survivor, office, lease=0.5))
    await office.accepts("a")
    await emptied(survivor)
    assert office.accepted == {"a": 1}


async def test_nobody_takes_a_parcel_within_its_lease(databases: Databases, start: Start) -> None:
    url = await databases.url("letterbox")
    first, second = PostOffice(), PostOffice()
    first.held_back = asyncio.Event()
    start(holder := outbox_of(databases.connect(url), first, lease=0.6))
    start(outbox_of(databases.connect(url), second, lease=0.6))
    await post(holder, "a")
    await first.called(1)
    await renewed(databases.connect(url), since_creation=1.8)  # three leases, while its call is under way
    assert not second.calls
    first.held_back.set()
    await first.accepts("a")


@pytest.mark.parametrize("failure", [unavailable(), overloaded()], ids=["away", "overloaded"])
async def test_a_receiver_that_was_away_gets_everything_when_it_returns(
    database: Database, office: PostOffice, start: Start, failure: Failure
) -> None:
    outbox = outbox_of(database, office)
    start(outbox)
    office.failure = failure
    for number in range(10):
        await post(outbox, f"a{number}", f"b{number}")
    assert await waiting(database) == 10
    before = len(office.calls)
    await office.called(before + 3)
    assert office.calls[before + 1 : before + 3] == [20, 20]  # nothing is tried by itself
    office.failure = None
    await office.accepts(*(f"{letter}{number}" for letter in "ab" for number in range(10)))
    await emptied(database)
    assert len(office.calls) < 20  # it backed off


async def test_a_backlog_from_before_is_drained_without_waiting_for_a_poll_each_time(
    databases: Databases, office: PostOffice, start: Start
) -> None:
    url = await databases.url("letterbox")
    database = databases.connect(url)
    before = outbox_of(database, office)
    items = [f"{number:05}" for number in range(2_000)]
    async with database.transaction() as tx:
        for position in range(0, 2_000, 2):
            await before.put(tx, receiver="office", payload=request(*items[position : position + 2]), items=2)
    async with database.transaction() as tx:
        await tx.execute(LAPSE)
    start(outbox_of(database, office, lease=30))  # polls every 6 s: more than 256 parcels need more than one claim
    await office.accepts(*items, within=5)
    await emptied(database)
    assert set(office.accepted.values()) == {1}


async def test_two_relays_side_by_side_deliver_everything_and_do_not_wedge(
    databases: Databases, office: PostOffice, start: Start
) -> None:
    url = await databases.url("letterbox")
    outboxes = [outbox_of(databases.connect(url), office, lease=0.3, max_items=50) for _ in range(2)]
    unsent = outbox_of(databases.connect(url), office, lease=0.1)
    items = [f"{number:05}" for number in range(1_000)]
    async with databases.connect(url).transaction() as tx:
        for position in range(0, 600, 2):
            await unsent.put(tx, receiver="office", payload=request(*items[position : position + 2]), items=2)
    for outbox in outboxes:
        start(outbox)
    for position in range(600, 1_000, 4):
        await post(outboxes[position % 2], *items[position : position + 4])
    await office.accepts(*items)
    await emptied(databases.connect(url))


async def test_leases_are_given_up_on_stop_so_that_another_process_goes_on_at_once(databases: Databases) -> None:
    url = await databases.url("letterbox")
    away, there = PostOffice(failure=unavailable()), PostOffice()
    first, second = (outbox_of(databases.connect(url), office, lease=60) for office in (away, there))
    await post(first, "a")
    assert not await first.flush(timedelta(milliseconds=200))
    stop = asyncio.Event()
    running = asyncio.create_task(second.run(stop))
    await there.accepts("a", within=3)
    stop.set()
    await running


async def test_the_database_restarting_loses_nothing(databases: Databases, office: PostOffice, start: Start) -> None:
    database = await databases.database("letterbox")
    outbox = outbox_of(database, office, lease=0.5)
    start(outbox)
    await post(outbox, "before")
    await office.accepts("before")
    office.held_back = asyncio.Event()
    await post(outbox, "during")
    await office.called(2)
    await databases.server.restart(immediate=True)
    office.held_back.set()
    await office.accepts("before", "during")
    await emptied(database)
    await post(outbox, "after")
    await office.accepts("after")


async def test_backlog_counts_what_waits(database: Database, office: PostOffice) -> None:
    outbox = outbox_of(database, office)
    assert await outbox.backlog() == []
    await post(outbox, "a", "b")
    await post(outbox, "c")
    [backlog] = await outbox.backlog()
    assert (backlog.receiver, backlog.parcels, backlog.items) == ("office", 2, 3)
    assert timedelta(0) < backlog.oldest < timedelta(seconds=10)
