"""How much waits is known without counting each time; what was refused is listed, and sent again."""

import asyncio
from collections.abc import Callable

import pytest
from tests.stores.outbox.post_office import PostOffice, emptied, outbox_of, post, request, set_aside, waiting

from chassis.database import Database
from chassis.outbox import Outbox
from kernel.errors import Failure, Kind

Start = Callable[[Outbox], asyncio.Event]


async def test_what_was_added_and_confirmed_here_is_known_at_once(database: Database, office: PostOffice) -> None:
    outbox = outbox_of(database, office)
    assert outbox.waiting("office") == 0
    await post(outbox, "a", "b")
    await post(outbox, "c")
    assert outbox.waiting("office") == 3
    assert await outbox.flush()
    assert outbox.waiting("office") == 0


async def test_what_others_added_is_known_after_a_count(database: Database, office: PostOffice, start: Start) -> None:
    await post(outbox_of(database, office), "a", "b", "c")
    outbox = outbox_of(database, office)
    start(outbox)
    async with asyncio.timeout(8):
        while outbox.waiting("office") != 3:  # noqa: ASYNC110 - the meter gives no signal
            await asyncio.sleep(0.02)


async def test_refused_items_are_listed_without_content_and_sent_again_once(
    database: Database, office: PostOffice, start: Start
) -> None:
    office.refused = {"b", "d"}
    outbox = outbox_of(database, office)
    await post(outbox, "a", "b")
    await post(outbox, "c", "d")
    assert await outbox.flush()
    assert await outbox.refused.count() == {"office": 2}
    items = await outbox.refused.page(after=0, most=10)
    assert {(item.item_id, item.reason, item.message) for item in items} == {
        ("b", "NOT_WANTED", "no such street"),
        ("d", "NOT_WANTED", "no such street"),
    }
    assert [item.content_bytes for item in items] == [len(request("b")), len(request("d"))]
    assert [item.item_id for item in await outbox.refused.page(after=items[0].refused_id, most=10)] == [
        items[1].item_id
    ]
    office.refused = {"d"}
    ids = [item.refused_id for item in items]
    assert await outbox.refused.resend([*ids, ids[0], 10**9]) == 2
    assert await outbox.refused.resend(ids) == 0
    start(outbox)
    await office.accepts("b")
    await emptied(database)
    assert office.accepted["b"] == 1
    assert [item_id for item_id, _, _ in await set_aside(database)] == ["d"]


async def test_an_item_too_large_to_carry_is_refused_where_it_is_made(database: Database, office: PostOffice) -> None:
    outbox = outbox_of(database, office, max_bytes=100)
    with pytest.raises(Failure, match="item large has") as caught:
        async with outbox.transaction() as tx:
            tx.post("office", request("small") + b"large " + b"x" * 200 + b"\n", 2)
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
    assert await waiting(database) == 0
    await post(outbox, *(f"{number:02}" for number in range(20)))  # large together, small one by one
    assert await outbox.flush()
