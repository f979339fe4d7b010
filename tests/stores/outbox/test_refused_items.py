"""A poison item is set aside once and blocks nobody; trouble that may pass is put off, never dropped."""

import asyncio
from collections.abc import Callable

from tests.stores.outbox.post_office import (
    LAPSE,
    PostOffice,
    emptied,
    internal,
    invalid,
    outbox_of,
    post,
    request,
    set_aside,
    waiting,
)

from chassis.database import Database
from chassis.outbox import Outbox

Start = Callable[[Outbox], asyncio.Event]


async def test_items_refused_are_set_aside_while_the_rest_is_confirmed(database: Database, office: PostOffice) -> None:
    office.refused = {"b", "d"}
    outbox = outbox_of(database, office)
    await post(outbox, "a", "b")
    await post(outbox, "c", "d", "e")
    assert await outbox.flush()
    assert office.accepted == {"a": 1, "c": 1, "e": 1}
    assert await set_aside(database) == [("b", request("b"), "NOT_WANTED"), ("d", request("d"), "NOT_WANTED")]
    assert await waiting(database) == 0


async def test_a_call_refused_for_one_item_sets_aside_that_item_alone(database: Database, office: PostOffice) -> None:
    office.poison = {"37": invalid(), "71": invalid()}
    outbox = outbox_of(database, office)
    items = [str(number) for number in range(100)]
    await post(outbox, *items[:50])
    await post(outbox, *items[50:])
    assert await outbox.flush()
    assert set(office.accepted) == set(items) - {"37", "71"}
    assert [item_id for item_id, _, _ in await set_aside(database)] == ["37", "71"]
    assert await waiting(database) == 0
    assert len(office.calls) < 40  # halves, not one by one


async def test_a_parcel_that_cannot_be_taken_apart_is_set_aside_whole(database: Database, office: PostOffice) -> None:
    def cannot(payload: bytes) -> list[tuple[str, bytes]]:
        raise UnicodeDecodeError("utf-8", payload, 0, 1, "nonsense")

    office.poison = {"a": invalid()}
    receiver = office.receiver()
    outbox = Outbox(database, [type(receiver)(name="office", deliver=office.deliver, split=cannot)])
    await post(outbox, "a", "b")
    await post(outbox, "c")
    assert await outbox.flush()
    [(_, payload, reason)] = await set_aside(database)
    assert (payload, reason) == (request("a", "b"), "INVALID_FIELD")
    assert set(office.accepted) == {"c"}


async def test_trouble_with_one_parcel_puts_it_off_and_lets_the_others_pass(
    database: Database, office: PostOffice, start: Start
) -> None:
    office.poison = {"bad": internal()}
    outbox = outbox_of(database, office, lease=0.5)
    start(outbox)
    await post(outbox, "bad", "beside")
    await post(outbox, "good")
    await office.accepts("good")
    await emptied(database, but=1)
    assert await set_aside(database) == []
    office.poison = {}
    await office.accepts("bad", "beside")
    await emptied(database)


async def test_lasting_trouble_with_one_item_does_not_keep_its_neighbours(
    database: Database, office: PostOffice, start: Start
) -> None:
    office.poison = {"bad": internal()}
    outbox = outbox_of(database, office, lease=0.5)
    start(outbox)
    await post(outbox, "bad", "beside")
    async with asyncio.timeout(20):
        while "beside" not in office.accepted:
            async with database.autocommit() as connection:
                await connection.execute(LAPSE)
            await asyncio.sleep(0.1)
    assert await set_aside(database) == []
    assert await waiting(database) == 1


async def test_an_item_is_set_aside_once_though_two_processes_delivered_it(
    database: Database, office: PostOffice
) -> None:
    office.refused = {"b"}
    first, second = outbox_of(database, office), outbox_of(database, office)
    async with database.transaction() as tx:
        parcel = await first.put(tx, receiver="office", payload=request("a", "b"), items=2)
    first.send(parcel)
    second.send(parcel)
    assert await first.flush()
    assert await second.flush()
    assert office.accepted == {"a": 2}
    assert len(await set_aside(database)) == 1
