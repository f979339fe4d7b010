"""Decisions on PostgreSQL: limits hold across replicas, each intent is released once, evaluation agrees with them."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from tests.postgres import Databases
from tests.stores.gate.parts import Kill, Part, StandingClock, accepted, new_intent, part

from chassis.database import Database, Query
from gate.application.messages import Submission, Submitted
from gate.domain.facts import Pause, Scope
from gate.domain.policy import DEFAULT_POLICY, Pace, Policy
from gate.domain.schedule import SECOND
from gate.domain.words import Category, Outcome, Reason
from kernel.errors import Failure

Fresh = Callable[[str], Awaitable[Database]]


async def pair(databases: Databases) -> tuple[Part, Part]:
    """Two replicas on one database, with one clock."""
    url = await databases.url("gate")
    clock, kill = StandingClock(), Kill()
    return tuple(part(databases.connect(url), kill=kill, clock=clock) for _ in range(2))  # type: ignore[return-value]


async def test_caps_and_duplicates_hold_across_two_replicas(databases: Databases) -> None:
    one, two = await pair(databases)
    await one.provision(Policy(hourly_cap=50), "inst-1", "inst-2")
    same = [new_intent(instance_id="") for _ in range(20)]
    again = [replace(intent, request_id=f"again-{intent.request_id}") for intent in same]
    batches = [[new_intent(instance_id="") for _ in range(30)] for _ in range(6)]
    results = await asyncio.gather(
        one.submit(*same),
        two.submit(*again),
        *((one if place % 2 else two).submit(*batch) for place, batch in enumerate(batches)),
    )
    decisions = [submitted.recorded.decision for result in results for submitted in accepted(result)]
    outcomes = Counter((decision.outcome, decision.reason) for decision in decisions)
    assert outcomes[Outcome.BLOCKED, Reason.DUPLICATE_CONTENT] == 20
    assert outcomes[Outcome.APPROVED, None] == 100
    assert outcomes[Outcome.QUEUED, Reason.INSTANCE_CAP] == 100
    used = Counter((d.instance_id, d.slot.at // (3600 * SECOND)) for d in decisions if d.slot is not None)
    assert set(used.values()) == {50}


async def test_the_same_request_on_two_replicas_is_one_intent(databases: Databases) -> None:
    one, two = await pair(databases)
    await one.provision(Policy(), "inst-1")
    intents = [new_intent() for _ in range(50)]
    first, second = await asyncio.gather(one.submit(*intents), two.submit(*intents))
    assert [r.intent_id for r in accepted(first)] == [r.intent_id for r in accepted(second)]
    assert {r.replayed for r in accepted(first)} | {r.replayed for r in accepted(second)} == {True, False}
    await asyncio.gather(one.flush(), two.flush())
    assert len(one.told.jobs) + len(two.told.jobs) == 50


async def test_each_waiting_intent_is_released_once_by_two_replicas(databases: Databases) -> None:
    one, two = await pair(databases)
    await one.provision(Policy(pace=Pace(gap=SECOND // 10, jitter=0, burst=1)), "inst-1")
    submitted = accepted(await one.submit(*(new_intent() for _ in range(300))))
    await asyncio.gather(one.flush(), two.flush())
    at_once = len(one.told.jobs)
    assert at_once < 20
    one.clock.at += timedelta(seconds=31)
    for _ in range(2):
        await asyncio.gather(*(replica.release() for replica in (one, two) for _ in range(3)))
    await asyncio.gather(one.flush(), two.flush())
    jobs = Counter(job.intent_id for told in (one.told, two.told) for job in told.jobs)
    assert jobs == Counter(str(one.intent_id) for one in submitted)
    slots = [job.not_before.ToMicroseconds() for told in (one.told, two.told) for job in told.jobs]
    gaps = [later - earlier for earlier, later in zip(sorted(slots), sorted(slots)[1:], strict=False)]
    assert min(gaps) >= SECOND // 10
    events = Counter((event.aggregate_id, event.sequence) for t in (one.told, two.told) for event in t.events)
    assert max(events.values()) == 1


async def test_one_organization_cannot_starve_another(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(hourly_cap=0), "inst-1", organization_id="big")
    await gate.provision(Policy(hourly_cap=0), "inst-1", organization_id="small")
    for _ in range(2):
        await gate.submit(*(new_intent("big") for _ in range(1000)), organization_id="big")
    gate.clock.at += timedelta(seconds=1)
    await gate.submit(new_intent("small"), organization_id="small")
    for organization_id in ("big", "small"):
        await gate.put_policy(Policy(), organization_id=organization_id)
    await gate.release()
    await gate.flush()
    assert "small" in {job.organization_id for job in gate.told.jobs}


async def test_a_batch_of_several_organizations_is_one_transaction(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    for organization_id in ("a", "b"):
        await gate.provision(Policy(), "inst-1", organization_id=organization_id)
    submissions = [
        Submission(organization_id=name, subject="t", traceparent="", intents=[new_intent(name), new_intent(name)])
        for name in ("b", "a", "b")
    ]
    results = await gate.submit_all(submissions)
    assert [len(result) for result in results] == [2, 2, 2]
    await gate.flush()
    assert Counter(job.organization_id for job in gate.told.jobs) == {"a": 2, "b": 4}


async def test_evaluation_agrees_with_decision_in_any_state(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    chance = random.Random(7)
    await gate.provision(Policy(), "inst-1", "inst-2")
    known = [new_intent() for _ in range(3)]
    seen: Counter[str] = Counter()
    for step in range(120):
        gate.clock.at += timedelta(seconds=chance.choice([0, 1, 30, 900, 7200]))
        if step % 6 == 0:
            pace = Pace(gap=chance.randint(0, 5) * SECOND, jitter=0, burst=chance.randint(1, 3))
            caps = [chance.choice([None, 0, 2, 5]) for _ in range(2)]
            hours = chance.choice([None, DEFAULT_POLICY.quiet_hours])
            await gate.put_policy(Policy(pace=pace, hourly_cap=caps[0], daily_cap=caps[1], quiet_hours=hours))
        gate.kill.away = chance.random() < 0.1
        gate.kill.pauses = {Scope("demo", "inst-1", ""): Pause(until=None, note="x")} if chance.random() < 0.2 else {}
        wanted = new_intent(
            instance_id=chance.choice(["", "inst-1", "inst-2", "inst-9"]),
            hold_if_paused=chance.random() < 0.5,
            category=chance.choice([Category.UTILITY, Category.MARKETING]),
            utc_offset=chance.choice([-5, -4, -3]),
        )
        if chance.random() < 0.2:
            wanted = replace(wanted, number_hash=chance.choice([None, known[0].number_hash]))
        expected = (await gate.evaluate(wanted)).decision
        (result,) = accepted(await gate.submit(wanted))
        decision = result.recorded.decision
        seen[decision.reason or "APPROVED"] += 1
        assert replace(decision, slot=None) == replace(expected, slot=None)
        assert (decision.slot and decision.slot.at) == (expected.slot and expected.slot.at)
    assert len(seen) >= 7
    assert seen[Reason.QUIET_HOURS]


async def test_a_failed_commit_leaves_nothing(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(), "inst-1")
    broken = replace(new_intent(), sealed=None)  # type: ignore[arg-type]
    results = await asyncio.gather(gate.submit(new_intent(), broken), return_exceptions=True)
    assert not isinstance(results[0], list | Failure)
    async with gate.database.autocommit() as tx:
        row = await tx.fetch_one(Query.of("count", "SELECT (SELECT count(*) FROM intent) AS n"))
    assert row is not None
    assert row.n == 0


async def test_an_intent_meets_a_pause_only_once_and_is_not_written(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(pace=Pace(gap=10 * SECOND, jitter=0, burst=1)), "inst-1")
    waiting = accepted(await gate.submit(new_intent(), new_intent()))[1]
    gate.kill.pauses = {Scope("demo", "", "welcome"): Pause(until=None, note="stop")}
    gate.clock.at += timedelta(seconds=10)
    for _ in range(3):
        await gate.release()
    await gate.flush()
    events = [event for event in gate.told.events if event.aggregate_id == str(waiting.intent_id)]
    assert len(events) == 1
    assert isinstance(waiting, Submitted)
    assert not await gate.waiting.due(now=gate.clock.now(), after="", most=10, of_one=10)
    (scope,) = await gate.waiting.parked_scopes()
    assert (scope.waits_for, scope.campaign_id, scope.instance_id) == ("RESUME", "welcome", "inst-1")


PLANS = {
    "find_due": {"now": "now()", "after": "''", "of_one": "250", "most": "1000"},
    "find_next_due": {},
    "find_parked_scopes": {},
    "get_intent": {"organization_id": "'demo'", "intent_id": "gen_random_uuid()"},
    "get_intent_by_request": {"organization_id": "'demo'", "request_id": "'r'"},
}


async def test_hot_reads_use_their_indexes(service_database: Fresh) -> None:
    from gate.infrastructure.statements import queries

    gate = part(await service_database("gate"))
    await gate.provision(Policy(hourly_cap=1), "inst-1")
    for _ in range(3):
        await gate.submit(*(new_intent() for _ in range(1000)))
    async with gate.database.autocommit() as tx:
        await tx.execute(Query.of("off", "SET enable_seqscan = off"))
        for name, values in PLANS.items():
            text = getattr(queries, name).text
            for bind, value in sorted(values.items(), key=lambda item: -len(item[0])):
                text = text.replace(f":{bind}", value)
            plan = "\n".join(row[0] for row in await tx.fetch(Query.of("plan", f"EXPLAIN {text}")))
            assert "Seq Scan on waiting" not in plan, (name, plan)
            assert "Seq Scan on intent" not in plan, (name, plan)
            assert "Sort" not in plan, (name, plan)


async def test_of_a_large_organization_only_the_named_instances_are_loaded(databases: Databases) -> None:
    one, _ = await pair(databases)
    await one.provision(Policy(), "inst-1", "inst-2", "inst-3")
    async with one.store.deciding() as tx:
        named = await tx.lock(["demo"], {("demo", "inst-2"), ("demo", "unknown")})
        every = await tx.lock(["demo"])
    assert named["demo"].instances == {"inst-2": every["demo"].instances["inst-2"]}
    assert every["demo"].instances.keys() == {"inst-1", "inst-2", "inst-3"}
