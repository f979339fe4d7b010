"""Resumptions on PostgreSQL: kept as they are, read by index while under way, and settled once whoever judges them."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from asyncpg import IntegrityConstraintViolationError
from tests.postgres import Databases
from tests.stores.control.conftest import Store, eventually, store_on

from chassis.database import Query, load_queries
from control.application.canaries import CanaryLoop
from control.application.resuming import Lift, Lifted, resume
from control.application.waiting import Hints
from control.domain.authority import Caller, Role
from control.domain.pause import PLATFORM, Pause
from control.domain.resumption import Canary, CanaryCount, Immediate, Plan, Ramp
from kernel.clock import SystemClock
from kernel.errors import Failure
from kernel.ids import ControlId, OrganizationId, uuid7
from whatlead.audit.v1 import event_pb2

DEMO = OrganizationId("demo")
ANA = Caller(subject="ana", organization_id=DEMO, role=Role.OWNER)
CANARY = Canary(sends=20, watch=timedelta(0), max_failure_share=0.05)


async def lift(store: Store, *pauses: Pause, plan: Plan, request_id: str = "go-1") -> Lifted:
    """Resume `pauses` as they are read now."""
    control_ids = [pause.control_id for pause in pauses]
    seen = await store.pauses.read(control_ids, {DEMO})
    asked = Lift(request_id=request_id, control_ids=control_ids, etag=seen[0].etag, reason="fixed", plan=plan)
    return await resume(asked, ANA, changes=store.changes, pauses=store.pauses, committed=lambda: None)


async def under_way(store: Store) -> set[ControlId]:
    return {pause.control_id for pause in (await store.snapshots.take({DEMO})).resumed}


@pytest.mark.parametrize(
    "plan",
    [
        Immediate(),
        Ramp(from_share=0.123456789012345, duration=timedelta(seconds=90, microseconds=1)),
        Canary(sends=7, watch=timedelta(minutes=2), max_failure_share=0.05),
    ],
    ids=lambda plan: type(plan).__name__,
)
async def test_a_plan_is_kept_as_it_was_asked_for(store: Store, plan: Plan) -> None:
    one, other = await store.pause(request_id="a"), await store.pause(request_id="b", target="spring")
    lifted = await lift(store, one, other, plan=plan)

    assert [seen.pause.resumption.plan for seen in lifted.pauses if seen.pause.resumption] == [plan, plan]
    assert await under_way(store) == (set() if isinstance(plan, Immediate) else {one.control_id, other.control_id})
    again = await lift(store, one, other, plan=plan)
    assert [seen.pause for seen in again.pauses] == [seen.pause for seen in lifted.pauses]


async def test_a_canary_is_kept_through_passing_and_failing(store: Store) -> None:
    passing, failing = await store.pause(request_id="a"), await store.pause(request_id="b", target="spring")
    await lift(store, passing, failing, plan=CANARY)
    assert {pause.control_id for pause in await store.pauses.running()} == {passing.control_id, failing.control_id}

    async with store.changes.change(DEMO) as change:
        found = await change.find(passing.control_id)
        assert found is not None
        passed = found.pass_canary(version=change.next_version, at=change.now)
        await change.write(passed)
        found = await change.find(failing.control_id)
        assert found is not None
        failed = found.fail_canary(version=change.next_version, at=change.now, replaced_by=ControlId(uuid7()))
        await change.write(failed)

    kept = {seen.pause.control_id: seen.pause for seen in await store.pauses.read([passing.control_id], {DEMO})}
    assert kept == {passing.control_id: passed}
    assert [seen.pause for seen in await store.pauses.read([failing.control_id], {DEMO})] == [failed]
    assert await under_way(store) == {passing.control_id}
    assert list(await store.pauses.running()) == []


async def test_a_finished_ramp_is_under_way_no_more(store: Store) -> None:
    made = await store.pause()
    await lift(store, made, plan=Ramp(duration=timedelta(milliseconds=30)))

    async def finished() -> bool:
        return not await under_way(store)

    await eventually(finished)


async def test_a_pause_that_is_being_committed_is_seen_by_the_resume_that_waits_for_it(
    store: Store, databases: Databases
) -> None:
    other = store_on(databases.connect(store.url), store.url)
    made = await store.pause()
    async with store.changes.change(DEMO) as change:
        waiting = asyncio.create_task(lift(other, made, plan=Immediate()))
        await eventually(lambda: _waits_for_a_lock(databases))
        added = Pause.begin(
            replace(made.order, request_id="added"),
            control_id=ControlId(uuid7()),
            version=change.next_version,
            ttl_max=change.ttl_max,
            at=change.now,
        )
        await change.write(added)
    with pytest.raises(Failure) as refused:
        await waiting

    assert refused.value.reason == "ETAG_MISMATCH"
    assert refused.value.violations[0].field == str(added.control_id)
    assert len(await store.pauses.live({DEMO})) == 2


async def _waits_for_a_lock(databases: Databases) -> bool:
    administrator = databases.connect(databases.server.url(database="postgres"), pool_size=1)
    async with administrator.transaction() as tx:
        row = await tx.fetch_one(
            Query.of("waiting", "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        )
    return row is not None and row.n > 0


async def test_a_pause_of_the_platform_that_is_being_committed_holds_up_no_organization(store: Store) -> None:
    made = await store.pause()
    async with store.changes.change(PLATFORM):
        async with asyncio.timeout(5):
            lifted = await lift(store, made, plan=Immediate())
    assert not lifted.pauses[0].pause.state.is_live


class Says:
    """Counts the same for every canary, to all replicas at about the same time."""

    def __init__(self, count: CanaryCount) -> None:
        self._count = count

    async def count(self, control_id: ControlId) -> CanaryCount:
        return self._count


class NoFences:
    def committed(self, pause: Pause) -> None:
        pass

    async def settled(self, pause: Pause) -> Pause:
        raise AssertionError("a loop waits for no fence")


@pytest.mark.parametrize(
    ("counted", "ends_with"),
    [
        (CanaryCount(sends=20, succeeded=20, failed=0), event_pb2.EVENT_TYPE_EXECUTION_CANARY_PASSED),
        (CanaryCount(sends=20, succeeded=10, failed=10), event_pb2.EVENT_TYPE_EXECUTION_CANARY_FAILED),
    ],
    ids=["passes", "fails"],
)
async def test_several_loops_at_once_settle_each_canary_once(
    store: Store,
    databases: Databases,
    counted: CanaryCount,
    ends_with: event_pb2.EventType.ValueType,
) -> None:
    made = [await store.pause(request_id=f"stop-{number}", target=f"c{number}") for number in range(6)]
    await lift(store, *made, plan=CANARY)
    stop, hints = asyncio.Event(), Hints()
    failures: list[Failure] = []
    loops = [
        CanaryLoop(
            changes=replica.changes,
            canaries=replica.pauses,
            counts=Says(counted),
            fences=NoFences(),
            new_id=uuid7,
            clock=SystemClock(),
            hint=hints.listener(),
            committed=hints.give,
            failed=failures.append,
        )
        for replica in (store, *(store_on(databases.connect(store.url), store.url) for _ in range(2)))
    ]
    running = [asyncio.create_task(loop.run(stop)) for loop in loops]

    async def settled() -> bool:
        return not await store.pauses.running()

    await eventually(settled)
    stop.set()
    await asyncio.gather(*running)

    assert failures == []
    kinds = Counter(event.type for event in await store.events())
    fails = ends_with == event_pb2.EVENT_TYPE_EXECUTION_CANARY_FAILED
    assert kinds[ends_with] == len(made)
    assert kinds[event_pb2.EVENT_TYPE_EXECUTION_PAUSED] == len(made) * (2 if fails else 1)
    assert len(await store.pauses.live({DEMO})) == (len(made) if fails else 0)
    assert (await store.snapshots.take({DEMO})).versions[DEMO] == sum(kinds.values())


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("plan = NULL, full_pace_at = NULL, ramp_from = NULL, ramp_duration = NULL", "resumed_has_plan"),
        ("plan = 'LATER'", "known_plan"),
        ("ramp_from = NULL", "ramp_is_whole"),
        ("ramp_from = 0", "ramp_grows"),
        ("ramp_from = 'NaN'", "ramp_grows"),
        ("canary_sends = 3", "canary_is_whole"),
        ("full_pace_at = NULL", "full_pace_unless_canary"),
        ("canary_failed_at = now()", "failure_is_whole"),
        ("canary_failed_at = now(), failed_control_id = control_id", "only_running_canary_fails"),
        ("begun_version = version + 1", "begun_before_changed"),
    ],
)
async def test_the_schema_refuses_what_no_resumption_can_be(store: Store, change: str, constraint: str) -> None:
    made = await store.pause()
    await lift(store, made, plan=Ramp())

    with pytest.raises(IntegrityConstraintViolationError, match=constraint):
        async with store.database.transaction() as tx:
            await tx.connection.execute(f"UPDATE pause SET {change}")


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("name", "index"), [("take_snapshot", "pause_under_way"), ("list_canaries", "pause_canary")])
async def test_finished_resumptions_cost_nothing(
    store: Store, databases: Databases, name: str, index: str, plans: str
) -> None:
    """An executor asks for a snapshot many times a second: 20,000 ramps that are over must not be looked at."""
    made = await store.pause()
    await lift(store, made, plan=Ramp())
    organizations = ["", "demo", *(f"org-{number}" for number in range(50))]
    params: dict[str, object] = {"replica_id": uuid7(), "session_ids": [], "organization_ids": organizations}
    administrator = databases.connect(databases.server.url(database=store.url.rpartition("/")[2]))
    async with store.database.transaction() as tx:
        await tx.connection.execute(_MANY_ORGANIZATIONS)
        await tx.connection.execute(_MANY_FINISHED)
    async with administrator.transaction() as tx:
        await tx.connection.execute("ANALYZE control.pause, control.control_version")
    query: Query = getattr(load_queries("control"), name)
    given = [f"'{str(one).translate(_AS_ARRAY)}'" for one in params.values()]
    async with store.database.transaction() as tx:
        await tx.connection.execute(f"SET LOCAL plan_cache_mode = {plans}; PREPARE query AS {query.sql}")
        call = f"query ({', '.join(given)})" if name == "take_snapshot" else "query"
        lines = [row[0] for row in await tx.connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) EXECUTE {call}")]

    plan = "\n".join(lines)
    assert index in plan
    assert "Seq Scan on pause" not in plan
    removed = [int(line.split(":")[1]) for line in lines if "Rows Removed by Filter" in line]
    assert sum(removed) < 10, plan


_AS_ARRAY = str.maketrans("[]'", '{}"')
_MANY_ORGANIZATIONS = """
INSERT INTO control_version (organization_id, version)
SELECT 'org-' || number, 3
FROM generate_series(0, 49) AS number;
"""
_MANY_FINISHED = """
INSERT INTO pause (
    organization_id, control_id, scope, target, reason, source, paused_by, peer, request_id, state, begun_version,
    version, ttl_max, created_at, fenced_at, ended_at, ended_by, end_reason, resume_request_id, plan, ramp_from,
    ramp_duration, full_pace_at
)
SELECT
    'org-' || number % 50, gen_random_uuid(), 'CAMPAIGN', 'welcome', 'r', 'MANUAL', 'ana', '', 'p' || number, 'RESUMED',
    1, 3, interval '500 milliseconds', now(), now(), now(), 'ana', 'r', 'g' || number, 'RAMP', 0.1,
    interval '1 minute', now() - interval '1 hour'
FROM generate_series(1, 20000) AS number;
"""
