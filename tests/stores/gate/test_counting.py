"""What waits is counted from an index, and is just what a pause of the same scope then holds."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest
from tests.postgres import Databases
from tests.stores.gate.parts import Part, accepted, new_intent, part

from chassis.database import Database, Query
from gate.domain.facts import Pause, Scope
from gate.domain.policy import Pace, Policy
from gate.domain.schedule import SECOND
from gate.infrastructure.reading import IntentReads
from gate.infrastructure.statements import queries

Fresh = Callable[[str], Awaitable[Database]]
SLOW = Policy(pace=Pace(gap=10 * SECOND, jitter=0, burst=1))
FILL = """
INSERT INTO gate.waiting (organization_id, intent_id, due_at, waits_for, campaign_id, instance_id, expire_time)
SELECT 'demo', gen_random_uuid(), now(), CASE WHEN number % 3 = 0 THEN 'RESUME' ELSE 'TIME' END,
    'c-' || number % 5, 'inst-' || number % 4, now()
FROM generate_series(1, 20000) AS number
"""


async def count(gate: Part, instance_id: str = "", campaign_id: str = "") -> dict[tuple[str, str], int]:
    counts = await IntentReads(database=gate.database).count_waiting("demo", instance_id, campaign_id)
    return {(one.instance_id, one.campaign_id): one.intents for one in counts}


async def queued(gate: Part) -> dict[tuple[str, str], int]:
    """Count the intents that the gate still holds, from the intents themselves."""
    statement = "SELECT asked_instance_id, campaign_id, count(*) FROM intent WHERE state = 'QUEUED' GROUP BY 1, 2"
    async with gate.database.autocommit() as tx:
        return {(row[0], row[1]): row[2] for row in await tx.fetch(Query.of("queued", statement))}


@pytest.mark.parametrize(
    ("instances", "instance_id", "campaign_id", "expected"),
    [
        (["inst-1", "inst-2"], "", "welcome", {("inst-1", "welcome"): 5, ("inst-2", "welcome"): 5, ("", "welcome"): 6}),
        (["inst-1", "inst-2"], "inst-1", "", {("inst-1", "welcome"): 5, ("inst-1", "bye"): 6}),
        (
            ["inst-1"],
            "inst-1",
            "",
            {("inst-1", "welcome"): 5, ("inst-1", "bye"): 6, ("", "welcome"): 6, ("", "bye"): 6},
        ),
    ],
    ids=["campaign", "instance", "the-only-instance"],
)
async def test_the_count_is_what_a_pause_of_the_scope_then_holds(
    service_database: Fresh,
    instances: list[str],
    instance_id: str,
    campaign_id: str,
    expected: dict[tuple[str, str], int],
) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(SLOW, *instances)
    for campaign in ("welcome", "bye"):
        for asked in (*instances, ""):
            accepted(await gate.submit(*(new_intent(instance_id=asked, campaign_id=campaign) for _ in range(6))))
    assert await count(gate, instance_id, campaign_id) == expected

    gate.kill.pauses = {Scope("demo", instance_id, campaign_id): Pause(until=None, note="stop")}
    for _ in range(60):
        gate.clock.at += timedelta(seconds=10)
        while (await gate.release()).more:
            continue
    assert await queued(gate) == expected
    assert await count(gate) == expected


async def test_nothing_that_waits_elsewhere_is_counted(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    for organization_id in ("demo", "other"):
        await gate.provision(SLOW, "inst-1", organization_id=organization_id)
        await gate.submit(*(new_intent(organization_id) for _ in range(3)), organization_id=organization_id)
    reads = IntentReads(database=gate.database)
    assert [one.organization_id for one in await reads.count_waiting("other", "", "")] == ["other"]
    assert sum(one.intents for one in await reads.count_waiting("", "", "")) == 4
    assert not await reads.count_waiting("demo", "inst-2", "")


async def test_counting_reads_no_row_of_what_waits(databases: Databases) -> None:
    url = await databases.url("gate")
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    await administrator.execute(FILL)
    await administrator.execute("VACUUM ANALYZE gate.waiting")
    await administrator.close()
    explained = Query.of("plan", f"EXPLAIN {queries.count_waiting.text}")
    async with databases.connect(url).autocommit() as tx:
        for scope in (("demo", "", "c-1"), ("demo", "inst-1", ""), ("", "", "")):
            given = dict(zip(("organization_id", "instance_id", "campaign_id"), scope, strict=True))
            plan = "\n".join(row[0] for row in await tx.fetch(explained, **given))
            assert "Index Only Scan using waiting_scope on waiting" in plan, (scope, plan)
