"""Calls that are stored in one commit: each gets its own answer, and none harms another."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg
import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import StillClock, about

from audit.application.record_events import Kept, keep_together, record_events
from audit.domain.arrival import CONFLICTING_DUPLICATE, Arrival
from audit.infrastructure.parsing import parse
from audit.infrastructure.postgres_log import COPY_ABOVE, PostgresEventLog
from chassis.database import Database, Query
from kernel.group_commit import GroupCommit
from kernel.ids import uuid7

STORED = Query.of("stored", "SELECT xid8, body, producer FROM operational_event ORDER BY event_id")
COUNTED = Query.of("counted", "SELECT sum(events) AS events FROM counted_event WHERE minutes <= 1")
KEPT_ASIDE = Query.of("kept_aside", "SELECT peer, reason, body FROM quarantine ORDER BY peer, reason")


class Recorder:
    """Audit's way from a call to its answer; `heard` is what was told to those who watch."""

    def __init__(self, database: Database) -> None:
        self.heard: list[Arrival] = []
        self._group = GroupCommit(
            write=partial(keep_together, log=PostgresEventLog(database), announce=self.heard.extend),
            size=lambda call: len(call.arrivals),
            most=1_000,
            queue_limit=10_000,
        )

    async def record(self, *items: bytes, peer: str = "executor") -> Kept:
        return await record_events(items, peer=peer, parse=parse, keep=self._group.submit, clock=StillClock())

    async def together(self, *calls: Sequence[bytes]) -> list[Kept | BaseException]:
        """Make calls at once: none is being written when the last one is made."""
        return await asyncio.gather(*(self.record(*items) for items in calls), return_exceptions=True)


@pytest.fixture
async def database(databases: Databases) -> Database:
    return await databases.database("audit")


async def rows(database: Database, query: Query) -> Any:
    async with database.transaction() as tx:
        return await tx.fetch(query)


def sent(count: int, **fields: object) -> list[bytes]:
    return [about(str(uuid7()), 1, "MESSAGE_SENT", **fields) for _ in range(count)]


@pytest.mark.parametrize("count", [3, COPY_ABOVE])
async def test_calls_that_come_at_once_are_one_commit(database: Database, count: int) -> None:
    recorder = Recorder(database)
    calls = [sent(count) for _ in range(5)]
    kept = await recorder.together(*calls)
    assert [{one.body for one in call.new} for call in kept if isinstance(call, Kept)] == [set(call) for call in calls]
    stored = await rows(database, STORED)
    assert {row.body for row in stored} == {body for call in calls for body in call} == {x.body for x in recorder.heard}
    assert len({row.xid8 for row in stored}) == 1
    assert (await rows(database, COUNTED))[0].events == 5 * count


@pytest.mark.parametrize("count", [1, COPY_ABOVE])
async def test_each_call_is_told_of_its_own_items_only(database: Database, count: int) -> None:
    recorder = Recorder(database)
    before, shared = sent(1)[0], sent(1)[0]
    await recorder.record(before)
    forged = [body + b"\xf8\x07\x2a" for body in (before, shared)]
    first, again, forger, of_gate = await asyncio.gather(
        recorder.record(shared, *sent(count)),
        recorder.record(shared, b"\xff", before, *sent(count)),
        recorder.record(*forged, *sent(count)),
        recorder.record(*sent(count, producer="gate"), sent(1)[0], peer="gate"),
    )
    assert [len(call.new) for call in (first, again, forger, of_gate)] == [count + 1, count, count, count]
    assert [[one.reason for one in call.refused] for call in (first, again, forger, of_gate)] == [
        [],
        ["INVALID_FIELD"],
        [CONFLICTING_DUPLICATE] * 2,
        ["ROLE_NOT_ALLOWED"],
    ]
    assert {one.body for one in forger.refused} == set(forged)
    aside = await rows(database, KEPT_ASIDE)
    assert [(row.peer, row.reason) for row in aside] == [
        ("executor", CONFLICTING_DUPLICATE),
        ("executor", CONFLICTING_DUPLICATE),
        ("executor", "INVALID_FIELD"),
        ("gate", "ROLE_NOT_ALLOWED"),
    ]
    assert (await rows(database, COUNTED))[0].events == 4 * count + 2 == len(await rows(database, STORED))


async def test_a_call_that_the_database_refuses_fails_alone(databases: Databases) -> None:
    url = await databases.url("audit")
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    await administrator.execute("ALTER TABLE audit.operational_event ADD CONSTRAINT broken CHECK (actor <> 'broken')")
    await administrator.close()
    database = databases.connect(url)
    recorder = Recorder(database)
    good, bad, poison = sent(30), sent(30, actor="broken"), [b"\xff", *sent(2)]
    kept = await recorder.together(good, bad, poison)
    assert [len(call.new) if isinstance(call, Kept) else type(call).__name__ for call in kept] == [
        30,
        "CheckViolationError",
        2,
    ]
    assert len(await rows(database, STORED)) == 32 == len(recorder.heard)


async def test_what_a_call_brought_that_nobody_waits_for_any_more_is_told_of(database: Database) -> None:
    recorder = Recorder(database)
    async with database.transaction() as tx:  # holds up the commit until the call is gone
        await tx.execute(Query.of("hold", "LOCK TABLE fresh_count IN EXCLUSIVE MODE"))
        call = asyncio.create_task(recorder.record(*sent(2)))
        waits = Query.of("waits", "SELECT count(*) AS calls FROM pg_locks WHERE NOT granted")
        async with asyncio.timeout(10):
            while not (await rows(database, waits))[0].calls:
                pass
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await recorder.record()
    assert len(recorder.heard) == 2
