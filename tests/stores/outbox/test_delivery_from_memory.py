"""After the commit a parcel is sent on from memory at once; what was rolled back is never sent."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.stores.outbox.post_office import PostOffice, outbox_of, post, request, waiting

from chassis.database import Database
from chassis.outbox import Outbox

Start = Callable[[Outbox], asyncio.Event]


async def test_a_lone_parcel_is_delivered_at_once_and_its_row_is_gone_after_the_flush(
    database: Database, office: PostOffice, start: Start
) -> None:
    outbox = outbox_of(database, office)
    start(outbox)
    await post(outbox, "warm")
    await office.accepts("warm")
    began = time.monotonic()
    await post(outbox, "a", "b")
    await office.accepts("a", "b")
    assert time.monotonic() - began < 0.5  # the relay looks every second, the lease is five
    assert await outbox.flush()
    assert await waiting(database) == 0


async def test_a_transaction_rolled_back_sends_nothing_and_stores_nothing(
    database: Database, office: PostOffice, start: Start
) -> None:
    outbox = outbox_of(database, office, lease=0.3)
    start(outbox)

    async def fail() -> None:
        async with outbox.transaction() as tx:
            tx.post("office", request("never"), 1)
            await outbox.put(tx, receiver="office", payload=request("never either"), items=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await post(outbox, "after")
    await office.accepts("after")
    assert await outbox.flush()
    assert set(office.accepted) == {"after"}
    assert await waiting(database) == 0


async def test_a_parcel_put_by_hand_is_sent_when_asked(database: Database, office: PostOffice, start: Start) -> None:
    outbox = outbox_of(database, office)
    start(outbox)
    async with database.transaction() as tx:
        parcel = await outbox.put(tx, receiver="office", payload=request("a"), items=1)
    outbox.send(parcel)
    await office.accepts("a")


async def test_an_unknown_receiver_is_refused_before_anything_is_stored(database: Database, office: PostOffice) -> None:
    outbox = outbox_of(database, office)

    async def post_to_nobody() -> None:
        async with outbox.transaction() as tx:
            tx.post("nobody", request("a"), 1)

    with pytest.raises(ValueError, match="nobody"):
        await post_to_nobody()
    assert await waiting(database) == 0


async def test_one_transaction_stores_one_parcel_a_receiver(database: Database, office: PostOffice) -> None:
    outbox = outbox_of(database, office)
    async with outbox.transaction() as tx:
        tx.post("office", request("a"), 1)
        tx.post("office", request("b", "c"), 2)
    assert await waiting(database) == 1
    assert await outbox.flush()
    assert office.calls == [3]


async def test_what_arrives_during_a_call_is_merged_into_the_next(
    database: Database, office: PostOffice, start: Start
) -> None:
    outbox = outbox_of(database, office)
    start(outbox)
    office.held_back = asyncio.Event()
    await post(outbox, "first")
    await office.called(1)
    for number in range(20):
        await post(outbox, f"next{number}")
    office.held_back.set()
    await office.accepts(*(f"next{number}" for number in range(20)))
    assert office.calls == [1, 20]


@pytest.mark.parametrize(("limits", "calls"), [({"max_items": 4}, [4, 4, 2]), ({"max_bytes": 50}, [2, 2, 2, 2, 2])])
async def test_merging_respects_the_receivers_limits(
    database: Database, office: PostOffice, limits: dict[str, int], calls: list[int]
) -> None:
    outbox = outbox_of(database, office, **limits)
    for number in range(5):
        await post(outbox, f"{number}a", f"{number}b")
    assert await outbox.flush()
    assert office.calls == calls


async def test_a_receiver_with_linger_waits_for_company(database: Database, office: PostOffice, start: Start) -> None:
    outbox = outbox_of(database, office, linger=timedelta(milliseconds=300))
    start(outbox)
    for number in range(5):
        await post(outbox, str(number))
    await office.accepts(*"01234")
    assert office.calls == [5]


async def test_memory_is_bounded_and_the_relay_brings_the_rest(
    database: Database, office: PostOffice, start: Start
) -> None:
    office.held_back = asyncio.Event()
    outbox = Outbox(database, [office.receiver()], lease=timedelta(seconds=0.5), memory_bytes=2_000)
    items = [f"{number:04}" for number in range(300)]
    for position in range(0, 300, 10):
        await post(outbox, *items[position : position + 10])
    assert outbox.held_bytes <= 2_000
    start(outbox)
    office.held_back.set()
    await office.accepts(*items)
    assert await outbox.flush()


async def test_flush_says_whether_everything_is_delivered_and_confirmed(
    database: Database, office: PostOffice, start: Start
) -> None:
    outbox = outbox_of(database, office)
    start(outbox)
    office.held_back = asyncio.Event()
    await post(outbox, "a")
    assert not await outbox.flush(timedelta(milliseconds=100))
    office.held_back.set()
    assert await outbox.flush()
    assert await waiting(database) == 0


async def test_flush_delivers_what_was_posted_after_the_run_ended(database: Database, office: PostOffice) -> None:
    outbox = outbox_of(database, office)
    stop = asyncio.Event()
    stop.set()
    await outbox.run(stop)
    await post(outbox, "late")
    assert await outbox.flush()
    assert office.accepted == {"late": 1}
    assert await waiting(database) == 0
