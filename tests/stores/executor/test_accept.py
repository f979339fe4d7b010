"""Taking over approved intents on PostgreSQL: whole batches, idempotent, and canceled where that came first."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.stores.executor.world import LANE, ORGANIZATION, World, new_job

from chassis.database import Database
from executor.application.operate import cancel_jobs
from executor.application.ports_operations import Request
from executor.domain.words import CancelOutcome
from executor.infrastructure.postgres_operations import PostgresJobs
from kernel.ids import uuid7


@pytest.fixture
async def database(service_database) -> Database:  # type: ignore[no-untyped-def]
    found: Database = await service_database("executor")
    return found


@pytest.fixture
async def world(database: Database) -> World:
    return World.on(database)


def request(reason: str = "wrong template") -> Request:
    return Request(
        organization_id=ORGANIZATION,
        request_id=str(uuid7()),
        method="CancelJobs",
        fingerprint=b"x",
        reason=reason,
        actor="ana",
    )


async def test_a_batch_accepted_twice_is_there_once(world: World) -> None:
    jobs = [new_job() for _ in range(300)]
    assert await world.accept(*jobs) == 300
    assert await world.accept(*jobs) == 0
    assert len(await world.states()) == 300


async def test_a_higher_decision_revives_a_returned_job_and_an_equal_one_does_not(world: World) -> None:
    job = new_job()
    await world.accept(job)
    await world.sql("UPDATE job SET state = 'RETURNED', next_attempt_at = NULL, attempt = 2, tries = 2")
    assert await world.accept(replace(job, sequence=9)) == 0
    assert await world.accept(replace(job, decision_number=2, sequence=9)) == 1
    row = (await world.sql("SELECT state, decision_number, next_sequence, attempt, tries FROM job"))[0]
    assert tuple(row) == ("READY", 2, 9, 2, 0), "attempts keep their numbers, and their limit begins anew"


@pytest.mark.parametrize("state", ["SENT", "FAILED", "UNKNOWN", "CANCELED", "READY"])
async def test_a_higher_decision_revives_nothing_else(world: World, state: str) -> None:
    job = new_job()
    await world.accept(job)
    ready = "next_attempt_at" if state == "READY" else "NULL"
    await world.sql(f"UPDATE job SET state = '{state}', attempt = 1, next_attempt_at = {ready}")
    assert await world.accept(replace(job, decision_number=2)) == 0
    assert await world.state(job) == state


async def test_lanes_keep_the_highest_version_in_whatever_order_they_come(database: Database, world: World) -> None:
    await world.accept(lanes=[replace(LANE, version=3, gap=3.0)])
    await world.accept(lanes=[replace(LANE, version=2, gap=2.0), replace(LANE, version=1, gap=1.0)])
    row = (await world.sql("SELECT version, gap_seconds FROM lane"))[0]
    assert tuple(row) == (3, 3.0)
    before = (await world.sql("SELECT xmin::text AS version FROM lane"))[0].version
    await world.accept(lanes=[replace(LANE, version=3, gap=3.0)])
    await World.on(database).accept(lanes=[replace(LANE, version=2, gap=2.0)])
    assert (await world.sql("SELECT xmin::text AS version FROM lane"))[0].version == before, "no write for no news"


async def test_a_lane_that_another_process_has_moved_on_is_not_moved_back(database: Database) -> None:
    one, other = World.on(database), World.on(database)
    await one.accept(lanes=[replace(LANE, version=3, gap=3.0)])
    await other.accept(lanes=[replace(LANE, version=5, gap=5.0)])
    await one.accept(lanes=[replace(LANE, version=4, gap=4.0)])
    row = (await one.sql("SELECT version, gap_seconds FROM lane"))[0]
    assert tuple(row) == (5, 5.0)


async def test_a_cancel_that_comes_before_its_job_turns_it_into_canceled_on_arrival(world: World) -> None:
    job = new_job()
    jobs = PostgresJobs(world.database, world.outbox)
    outcome = await cancel_jobs(
        [job.intent_id], request=request(), validate_only=False, begin=jobs.begin, clock=world.clock
    )
    assert outcome == {job.intent_id: CancelOutcome.CANCELED}
    other = replace(job, organization_id="other")
    await world.accept(job, other, lanes=[LANE, replace(LANE, organization_id="other")])
    rows = {row.organization_id: row.state for row in await world.sql("SELECT organization_id, state FROM job")}
    assert rows == {ORGANIZATION: "CANCELED", "other": "READY"}, "a tombstone is its organization's own"
    await world.outbox.flush()
    (event,) = world.told.of(job.intent_id)
    assert (event.sequence, event.actor, event.note.note) == (3, "ana", "wrong template")


async def test_cancels_and_arrivals_at_the_same_time_lose_no_cancel(world: World) -> None:
    jobs = PostgresJobs(world.database, world.outbox)
    for _ in range(10):
        arriving = [new_job() for _ in range(30)]
        await asyncio.gather(
            *(world.accept(job) for job in arriving[:5]),
            *(
                cancel_jobs(
                    [job.intent_id], request=request(), validate_only=False, begin=jobs.begin, clock=world.clock
                )
                for job in arriving[:5]
            ),
            world.accept(*arriving[5:]),
            cancel_jobs(
                [job.intent_id for job in arriving[5:]],
                request=request(),
                validate_only=False,
                begin=jobs.begin,
                clock=world.clock,
            ),
        )
    assert set((await world.states()).values()) == {"CANCELED"}


async def test_a_job_waits_for_its_own_time(world: World) -> None:
    at = datetime.now(UTC) + timedelta(seconds=30)
    await world.accept(new_job(not_before=at))
    assert (await world.sql("SELECT next_attempt_at FROM job"))[0].next_attempt_at == at
