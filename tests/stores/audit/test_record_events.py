"""Ingest: bytes kept as they came, each event once; no bad item and no other batch holds one up."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, about, message, paused, record

from audit.infrastructure.postgres_log import COPY_ABOVE, FOLD_ABOVE, PostgresEventLog
from chassis.database import Database, Query
from kernel.ids import uuid7, uuid7_at
from whatlead.audit.v1 import event_pb2

KEEP = timedelta(days=400)
STORED = Query.of("stored", "SELECT * FROM operational_event ORDER BY event_id")
COUNTED = Query.of("counted", "SELECT coalesce(sum(events), 0) AS events FROM counted_event WHERE minutes <= 1")
FRESH = Query.of("fresh", "SELECT count(*) AS counts FROM fresh_count")
KEPT_ASIDE = Query.of("kept_aside", "SELECT * FROM quarantine ORDER BY recorded_at")
IN_DEFAULT = Query.of(
    "in_default",
    "SELECT count(*) AS events FROM operational_event WHERE tableoid = 'operational_event_default'::regclass",
)


@pytest.fixture
async def database(databases: Databases) -> Database:
    return await databases.database("audit")


async def rows(database: Database, query: Query) -> Any:
    """Read all rows."""
    async with database.transaction() as tx:
        return await tx.fetch(query)


def many(count: int) -> list[bytes]:
    """Make that many events of as many intents."""
    return [about(str(uuid7()), 1, "MESSAGE_SENT", campaign_id=f"c-{number % 7}") for number in range(count)]


@pytest.mark.parametrize("count", [1, COPY_ABOVE * 3])
async def test_events_are_kept_byte_for_byte_with_what_they_are_found_by(database: Database, count: int) -> None:
    # A field that this version does not know, as a newer producer may send it, must survive.
    bodies = [body + b"\xf8\x07\x2a" for body in many(count)]
    kept = await record(database, *bodies, peer="executor")
    assert (len(kept.new), kept.refused) == (count, ())
    stored = await rows(database, STORED)
    assert {row.body for row in stored} == set(bodies)
    for row in stored:
        event = event_pb2.OperationalEvent.FromString(row.body)
        assert (str(row.event_id), row.organization_id, row.aggregate_id, row.sequence) == (
            event.event_id,
            "acme",
            event.aggregate_id,
            1,
        )
        assert (row.event_type, row.producer, row.instance_id, row.campaign_id) == (
            "MESSAGE_SENT",
            "executor",
            "inst-sp-1",
            event.campaign_id,
        )
        assert (row.occurred_at, row.recorded_at, row.clamped) == (NOW, NOW, False)
        assert int(row.xid8) > 0


@pytest.mark.parametrize("count", [3, COPY_ABOVE * 3])
async def test_a_batch_delivered_twice_is_stored_and_counted_once(database: Database, count: int) -> None:
    bodies = many(count)
    await record(database, *bodies, peer="executor")
    again = await record(database, *bodies, *many(2), *bodies, peer="executor")
    assert (len(again.new), again.refused) == (2, ())
    assert len(await rows(database, STORED)) == count + 2
    assert (await rows(database, COUNTED))[0].events == count + 2


@pytest.mark.parametrize("count", [3, COPY_ABOVE * 3])
async def test_the_same_id_with_other_content_is_kept_aside_and_named(database: Database, count: int) -> None:
    bodies = many(count)
    await record(database, *bodies, peer="executor")
    event = event_pb2.OperationalEvent.FromString(bodies[1])
    event.reason = "FORGED"
    forged = event.SerializeToString()
    for _ in range(2):
        kept = await record(database, *many(count), forged, bodies[0], peer="executor")
        assert len(kept.new) == count
        assert [(one.item_id, one.reason) for one in kept.refused] == [(event.event_id, "CONFLICTING_DUPLICATE")]
    (aside,) = await rows(database, KEPT_ASIDE)
    assert (aside.body, aside.event_id, aside.peer) == (forged, event.event_id, "executor")
    assert forged not in {row.body for row in await rows(database, STORED)}
    assert (await rows(database, COUNTED))[0].events == 3 * count


@pytest.mark.parametrize("count", [0, 2, COPY_ABOVE * 3])
async def test_a_poison_item_never_holds_up_its_batch(database: Database, count: int) -> None:
    bodies = many(count)
    no_time = event_pb2.OperationalEvent.FromString(many(1)[0])
    no_time.ClearField("occurred_at")
    foreign = message("MESSAGE_BLOCKED")
    poison = [b"", b"\xff\xfe", no_time.SerializeToString(), foreign.SerializeToString()]
    mixed = bodies + poison
    random.Random(1).shuffle(mixed)
    kept = await record(database, *mixed, peer="executor")
    assert len(kept.new) == count
    assert sorted(one.reason for one in kept.refused) == ["INVALID_FIELD"] * 3 + ["ROLE_NOT_ALLOWED"]
    assert {row.body for row in await rows(database, KEPT_ASIDE)} == set(poison)


async def test_counts_go_into_the_sums_in_large_steps_and_none_is_lost_on_the_way(database: Database) -> None:
    log = PostgresEventLog(database)
    keys = FOLD_ABOVE * 3 // 5
    waiting, counted = [], []
    for _ in range(4):  # the first step takes what an earlier process may have left, the third what has come together
        events = [about(str(uuid7()), 1, "MESSAGE_SENT", campaign_id=f"c-{number}") for number in range(keys)]
        await record(database, *events, peer="executor", log=log)
        waiting.append((await rows(database, FRESH))[0].counts)
        counted.append((await rows(database, COUNTED))[0].events)
    assert waiting == [0, keys, 0, keys]
    assert counted == [keys, 2 * keys, 3 * keys, 4 * keys]


async def test_nothing_at_all_is_fine(database: Database) -> None:
    assert await record(database, peer="gate") == await record(database, peer="gate")


async def test_an_event_from_any_time_is_stored_and_partitions_are_made_ahead(database: Database) -> None:
    future, past = NOW + timedelta(days=365), NOW - timedelta(days=3650)
    await record(
        database,
        about(str(uuid7()), 1, "MESSAGE_SENT", event_id=str(uuid7_at(future))),
        about(str(uuid7()), 1, "MESSAGE_SENT", at=past),
        about(str(uuid7()), 1, "MESSAGE_SENT"),
    )
    assert len(await rows(database, STORED)) == 3
    assert (await rows(database, IN_DEFAULT))[0].events == 2
    log = PostgresEventLog(database)
    # The week that the event of the next year lies in stays with the default partition; all others are made.
    made = await log.ensure_partitions(weeks=60, keep=KEEP)
    assert made == 60 - 9 - 1
    assert await log.ensure_partitions(weeks=60, keep=KEEP) == 0
    assert len(await rows(database, STORED)) == 3


async def test_several_make_partitions_at_once(databases: Databases) -> None:
    url = await databases.url("audit")
    made = await asyncio.gather(
        *(
            PostgresEventLog(databases.connect(url, pool_size=1)).ensure_partitions(weeks=14, keep=KEEP)
            for _ in range(3)
        )
    )
    assert sorted(made) == [0, 0, 14 - 9]


async def test_concurrent_batches_that_overlap_neither_deadlock_nor_count_twice(databases: Databases) -> None:
    url = await databases.url("audit")
    replicas = [databases.connect(url, pool_size=2) for _ in range(3)]
    events = many(300)
    chance = random.Random(7)

    async def deliver(database: Database) -> int:
        stored = 0
        for _ in range(12):
            part = chance.sample(events, chance.choice([5, 60]))
            kept = await record(database, *part, peer="executor")
            assert not kept.refused
            stored += len(kept.new)
        return stored

    stored = await asyncio.gather(*(deliver(replica) for replica in replicas * 2))
    seen = await rows(replicas[0], STORED)
    assert sum(stored) == len(seen)
    assert (await rows(replicas[0], COUNTED))[0].events == len(seen)


async def test_concurrent_batches_that_meet_in_the_same_sums_do_not_deadlock(databases: Databases) -> None:
    """Each batch adds to the same sums as the others, in an order of its own."""
    url = await databases.url("audit")
    replicas = [databases.connect(url, pool_size=1) for _ in range(4)]
    chance = random.Random(11)

    def batch() -> list[bytes]:
        campaigns = [f"c-{number}" for number in range(40)]
        chance.shuffle(campaigns)
        return [
            about(str(uuid7()), 1, "MESSAGE_SENT", at=NOW + timedelta(milliseconds=number), campaign_id=campaign_id)
            for number, campaign_id in enumerate(campaigns)
        ]

    async def deliver(database: Database) -> None:
        for _ in range(10):
            assert len((await record(database, *batch(), peer="executor", at=NOW + timedelta(minutes=1))).new) == 40

    await asyncio.gather(*(deliver(replica) for replica in replicas))
    assert (await rows(replicas[0], COUNTED))[0].events == 4 * 10 * 40


async def test_a_pause_told_of_in_any_order_becomes_one_interval(database: Database) -> None:
    control_id, began, ended = str(uuid7()), NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    await record(
        database, paused(control_id, "EXECUTION_RESUMED", "CAMPAIGN", "black-friday", at=ended, paused_at=began)
    )
    await record(
        database,
        paused(control_id, "EXECUTION_FENCED", "CAMPAIGN", "black-friday", at=began, paused_at=began),
        paused(control_id, "EXECUTION_PAUSED", "CAMPAIGN", "black-friday", at=began, paused_at=began),
    )
    (interval,) = await rows(database, Query.of("intervals", "SELECT * FROM scope_interval"))
    assert (interval.began_at, interval.ended_at, len(interval.event_ids)) == (began, ended, 3)
