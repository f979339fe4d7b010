"""The plans of the hot statements: what waits, however much of it, costs a round nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.stores.executor.world import CAMPAIGN, INSTANCE, LANE, ORGANIZATION, World, new_job, until

from chassis.database import Query
from executor.domain.change import Change
from executor.domain.job import Attempt, Scope
from executor.domain.words import AttemptOutcome, JobState
from executor.infrastructure.ledger import queries
from kernel.ids import uuid7


@pytest.fixture
async def world(service_database) -> World:  # type: ignore[no-untyped-def]
    """Twenty scopes with 500 waiting jobs each."""
    world = World.on(await service_database("executor"))
    lanes = [replace(LANE, instance_id=f"inst-{number}") for number in range(20)]
    for number in range(20):
        await world.accept(*(new_job(instance_id=f"inst-{number}") for _ in range(500)), lanes=lanes)
    return world


async def explain(world: World, query: Query, **params: object) -> str:
    async with world.database.transaction() as tx:
        explained = Query.of("explain", f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query.text}")
        rows = await tx.fetch(explained, **params)
        await tx.fetch(Query.of("undo", "SELECT 1"))
        return "\n".join(row[0] for row in rows)


async def test_due_scopes_are_found_by_one_probe_a_scope(world: World) -> None:
    plan = await explain(world, queries.list_due_scopes, scopes=100)
    assert "job_claim" in plan
    assert "Seq Scan on job" not in plan
    assert len(await world.queue.due_scopes(scopes=100)) == 20


_ORDER: dict[str, object] = {
    "organization_ids": [ORGANIZATION],
    "instance_ids": [INSTANCE],
    "campaign_ids": [CAMPAIGN],
    "rate_factors": [1.0],
    "control_versions": [1],
    "platform_version": 1,
    "jobs": 50,
    "per_scope": 50,
    "canary_ids": [None],
    "canary_rooms": [None],
    "horizon": 0.25,
    "ramp_claim": 0.1,
    "permit_seconds": 0.45,
    "lease_seconds": 20.0,
    "ungoverned_gap": 0.0125,
}


async def test_the_take_goes_by_the_claim_index(world: World) -> None:
    plan = await explain(world, queries.take_jobs, token=uuid7(), **_ORDER)
    assert "job_claim" in plan
    assert "Seq Scan on job" not in plan


@pytest.mark.parametrize("claimed", ["next_attempt_at IS NOT NULL", "next_attempt_at <= now()"])
async def test_what_claims_cannot_go_by_the_index_of_what_lapses(world: World, claimed: str) -> None:
    """After a time in which nothing waited statistics see no difference, and the wrong one is ruinous."""
    async with world.database.transaction() as tx:
        await tx.execute(Query.of("not_otherwise", "SET LOCAL enable_sort = off"))
        rows = await tx.fetch(
            Query.of("explain", f"EXPLAIN SELECT lapses_at FROM job WHERE {claimed} ORDER BY lapses_at LIMIT 1")
        )
    assert "job_lapse" not in "\n".join(row[0] for row in rows)


async def test_a_batch_of_changes_is_not_compared_each_with_each(world: World) -> None:
    """PostgreSQL takes the update for one row, so that a join with the batch itself becomes a loop over all of it."""
    asked: dict[str, object] = {}
    now = datetime.now(UTC)

    async def ask(query: Query, **params: object) -> Sequence[object]:
        asked.update(params)
        return ()

    async with world.queue.begin() as work:
        jobs = await work.lock_due([Scope(ORGANIZATION, INSTANCE, CAMPAIGN)], per_scope=300, jobs=300)
        attempt = Attempt(number=1, taken_at=now, outcome=AttemptOutcome.ABORTED)
        work.tx.fetch = ask  # type: ignore[method-assign, assignment]
        await work.apply(
            [Change(job=job, state=JobState.CANCELED, reason="", tries=0, attempt=attempt) for job in jobs]
        )
    plan = await explain(world, queries.write_changes, **asked)
    assert "Tuples Inserted: 300" in plan, plan
    assert "Join Filter" not in plan, plan


async def test_what_lapses_and_what_is_held_is_found_by_its_index(world: World) -> None:
    plan = await explain(world, queries.lock_lapsed_jobs, jobs=100)
    assert "job_lapse" in plan
    plan = await explain(world, queries.release_held_jobs, live_ids=[], jobs=100)
    assert "job_held" in plan


async def test_an_outcome_s_update_stays_on_its_page(service_database) -> None:  # type: ignore[no-untyped-def]
    world = World.on(await service_database("executor"))
    async with world.database.snapshot() as older, world.running():
        await older.fetch_one(Query.of("look", "SELECT 1"))  # while it lives no version of a row can be cleared away
        await world.accept(*(new_job() for _ in range(400)))
        await until(lambda: sum(signal.count for signal in world.told.signals) == 400)

    async def counted() -> bool:
        await world.sql("SELECT pg_stat_force_next_flush()")
        row = (await world.sql("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'job'"))[0]
        return bool(row.n_tup_upd >= 800 and row.n_tup_hot_upd >= 380)

    await until(counted)
