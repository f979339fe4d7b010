"""The backlog is counted exactly, told once by all replicas together, keeps nobody waiting, and spares the machine."""

import asyncio
from datetime import timedelta

import asyncpg
from tests.postgres import Databases
from tests.stores.gate.parts import VAULT, Part, StandingClock, new_intent, part

from chassis.database import Query
from gate.domain.policy import Policy
from gate.infrastructure.backlog import Backlog
from gate.infrastructure.handover import Handover
from gate.infrastructure.statements import queries


def backlog(gate: Part) -> Backlog:
    return Backlog(database=gate.database, outbox=gate.outbox, handover=Handover(vault=VAULT), clock=gate.clock)


def told(*gates: Part) -> list[tuple[str, int]]:
    events = (event for gate in gates for event in gate.told.events if event.HasField("backlog"))
    return sorted((event.organization_id, event.backlog.waiting) for event in events)


async def waits(gate: Part, organization_id: str, intents: int) -> None:
    await gate.provision(Policy(), organization_id=organization_id)
    await gate.submit(*(new_intent(organization_id) for _ in range(intents)), organization_id=organization_id)


async def test_two_replicas_tell_each_organization_s_backlog_once_and_its_end_once(databases: Databases) -> None:
    url, clock = await databases.url("gate"), StandingClock()
    one, two = (part(databases.connect(url), clock=clock) for _ in range(2))
    await waits(one, "demo", 3)
    await waits(one, "other", 2)
    for _ in range(2):
        await asyncio.gather(backlog(one).measure(), backlog(two).measure())
    await asyncio.gather(one.flush(), two.flush())
    assert told(one, two) == [("demo", 3), ("other", 2)]

    async with one.database.autocommit() as tx:
        await tx.execute(Query.of("end", "DELETE FROM waiting WHERE organization_id = 'other'"))
    for _ in range(2):
        clock.at += timedelta(seconds=10)
        await backlog(two).measure()
    await two.flush()
    assert [waiting for name, waiting in told(one, two) if name == "other"] == [0, 2]


async def test_counting_waits_for_no_lock(databases: Databases) -> None:
    url = await databases.url("gate")
    gate, busy = part(databases.connect(url)), part(databases.connect(url))
    await waits(gate, "demo", 2)
    async with busy.store.deciding() as tx, asyncio.timeout(5):
        await tx.lock({"demo"})
        async with gate.database.autocommit() as reading:
            (row,) = await reading.fetch(queries.count_backlogs, now=gate.clock.now())
    assert row.waiting == 2


async def administer(databases: Databases, url: str, *statements: str) -> None:
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    for statement in statements:
        await administrator.execute(statement)
    await administrator.close()


SLOW = """
ALTER TABLE gate.waiting RENAME TO fast;
CREATE VIEW gate.waiting AS SELECT fast.* FROM gate.fast CROSS JOIN pg_sleep(0.5);
GRANT SELECT ON gate.waiting TO PUBLIC;
"""


async def test_the_longer_it_takes_the_more_seldom_it_is_done(databases: Databases) -> None:
    url = await databases.url("gate")
    gate = part(databases.connect(url))
    await waits(gate, "demo", 2)
    assert await backlog(gate).measure() < 100
    await administer(databases, url, SLOW)
    gate.clock.at += timedelta(seconds=10)
    assert 100 <= await backlog(gate).measure() <= 300


async def test_counting_reads_no_row_of_what_waits(databases: Databases) -> None:
    url = await databases.url("gate")
    await administer(databases, url, FILL, "VACUUM ANALYZE gate.waiting")
    async with databases.connect(url).autocommit() as tx:
        explained = Query.of("plan", f"EXPLAIN {queries.count_backlogs.text}")
        plan = "\n".join(row[0] for row in await tx.fetch(explained, now=StandingClock().now()))
    assert "Index Only Scan using waiting_scope on waiting" in plan
    assert "Seq Scan on waiting" not in plan


FILL = """
INSERT INTO gate.organization (organization_id) VALUES ('demo');
INSERT INTO gate.waiting (organization_id, intent_id, due_at, waits_for, campaign_id, instance_id, expire_time)
SELECT 'demo', gen_random_uuid(), now(), CASE WHEN number % 3 = 0 THEN 'RESUME' ELSE 'TIME' END,
    'c-' || number % 5, 'inst-' || number % 4, now()
FROM generate_series(1, 20000) AS number;
"""
