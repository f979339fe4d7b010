"""What time does to jobs on PostgreSQL: lapsed leases, approvals that ran out, lives that ended, backlogs."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from tests.stores.executor.world import CAMPAIGN, INSTANCE, ORGANIZATION, World, new_job

from executor.application.ports import Allowed, TakeOrder
from executor.application.upkeep import end_lapsed, rescue_abandoned
from executor.domain.change import Change
from executor.domain.job import Scope, TakenJob
from executor.domain.outcome import Outcome, Rejected, Retryable, Sent, Unknown
from executor.domain.settling import RetryPolicy, Timing, settle
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2


@pytest.fixture
async def world(service_database) -> World:  # type: ignore[no-untyped-def]
    return World.on(await service_database("executor"))


async def take(world: World, *, lease_seconds: float) -> list[TakenJob]:
    allowed = Allowed(rate_factor=1.0, control_version=7)
    async with world.queue.begin() as tx:
        return list(
            await tx.take(
                TakeOrder(
                    scopes=((Scope(ORGANIZATION, INSTANCE, CAMPAIGN), allowed),),
                    platform_version=4,
                    token=uuid7(),
                    jobs=100,
                    per_scope=100,
                    horizon=0.25,
                    permit_seconds=0.45,
                    lease_seconds=lease_seconds,
                )
            )
        )


async def rescue(world: World) -> int:
    return await rescue_abandoned(begin=world.queue.begin, policy=world.policy, clock=world.clock, chance=random.random)


def settled(taken: TakenJob, outcome: Outcome) -> Change:
    now = datetime.now(UTC)
    timing = Timing(began_at=now, ended_at=now)
    return settle(taken.job, outcome, timing=timing, policy=RetryPolicy(), chance=0.0)


async def store(world: World, change: Change) -> None:
    world.outcomes.opened(change.job.lease_token or uuid7(), 1)
    await world.outcomes._store([change])
    await world.outbox.flush()


async def test_a_send_cut_off_becomes_unknown_after_its_lease_and_no_other_does(world: World) -> None:
    cut_off, waiting = new_job(), new_job(not_before=datetime.now(UTC) + timedelta(minutes=5))
    await world.accept(cut_off, waiting)
    await take(world, lease_seconds=0.0)
    fresh = new_job()
    await world.accept(fresh)
    await take(world, lease_seconds=30.0)
    assert await rescue(world) == 1
    assert await rescue(world) == 0
    states = await world.states()
    assert states == {cut_off.intent_id: "UNKNOWN", waiting.intent_id: "READY", fresh.intent_id: "SENDING"}
    await world.outbox.flush()
    unknown = world.told.of(cut_off.intent_id)[-1]
    assert (unknown.type, unknown.reason) == (event_pb2.EVENT_TYPE_MESSAGE_OUTCOME_UNKNOWN, "LEASE_LAPSED")
    assert (await world.sql("SELECT outcome FROM attempt"))[0].outcome == "UNKNOWN"


async def test_a_cut_off_send_is_tried_again_where_the_job_says_so(world: World) -> None:
    job = new_job(retry_unknown=True)
    await world.accept(job)
    await take(world, lease_seconds=0.0)
    await rescue(world)
    assert await world.state(job) == "READY"
    await world.outbox.flush()
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "OUTCOME_UNKNOWN", "RETRY_SCHEDULED"]


@pytest.mark.parametrize(
    ("outcome", "state", "told"),
    [
        (Sent(provider_message_id="w.1"), "SENT", ["OUTCOME_RESOLVED"]),
        (Rejected(reason="RECIPIENT_NEVER"), "FAILED", ["OUTCOME_RESOLVED", "FAILED"]),
        (Retryable(reason="RETRY_SOON"), "READY", ["OUTCOME_RESOLVED", "RETRY_SCHEDULED"]),
        (Unknown(reason="TIMEOUT"), "UNKNOWN", []),
    ],
    ids=["sent", "rejected", "retryable", "unknown"],
)
async def test_an_answer_after_the_lease_settles_the_unknown(
    world: World, outcome: Outcome, state: str, told: list[str]
) -> None:
    job = new_job()
    await world.accept(job)
    (taken,) = await take(world, lease_seconds=0.0)
    await rescue(world)
    await store(world, settled(taken, outcome))
    assert await world.state(job) == state
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "OUTCOME_UNKNOWN", *told]


async def test_an_outcome_stored_twice_changes_nothing_more(world: World) -> None:
    job = new_job()
    await world.accept(job)
    (taken,) = await take(world, lease_seconds=30.0)
    change = settled(taken, Retryable(reason="RETRY_SOON"))
    await store(world, change)
    await store(world, change)
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "RETRY_SCHEDULED"]


async def test_an_answer_that_contradicts_a_settled_one_is_recorded_and_not_acted_on(world: World) -> None:
    job = new_job()
    await world.accept(job)
    (taken,) = await take(world, lease_seconds=30.0)
    await store(world, settled(taken, Rejected(reason="RECIPIENT_NEVER")))
    await store(world, settled(taken, Sent(provider_message_id="w.1")))
    assert await world.state(job) == "FAILED"
    assert "SENT" in (await world.sql("SELECT contradiction FROM attempt"))[0].contradiction


async def test_a_job_whose_approval_ran_out_goes_back_to_the_gate(world: World) -> None:
    job = new_job(approved_until=datetime.now(UTC) - timedelta(seconds=1))
    fresh = new_job()
    await world.accept(job, fresh)
    assert [taken.job.intent_id for taken in await take(world, lease_seconds=30.0)] == [fresh.intent_id]
    assert await end_lapsed(begin=world.queue.begin, clock=world.clock) == 1
    await world.outbox.flush()
    assert await world.state(job) == "RETURNED"
    assert world.told.types(job.intent_id) == ["RETURNED"]
    (returned,) = world.told.returns
    assert (returned.intent_id, returned.decision_number, returned.sequence, returned.reason) == (
        str(job.intent_id),
        1,
        4,
        "APPROVAL_EXPIRED",
    )


async def test_a_job_whose_life_ended_expires_even_while_control_is_away_and_it_is_held(world: World) -> None:
    job = new_job(expire_time=datetime.now(UTC) + timedelta(milliseconds=1))
    await world.accept(job)
    await world.sql("UPDATE job SET held_by = ARRAY[gen_random_uuid()], reason = 'OPS_PAUSED'")
    assert await end_lapsed(begin=world.queue.begin, clock=world.clock) == 1
    await world.outbox.flush()
    assert await world.state(job) == "EXPIRED"
    assert world.told.types(job.intent_id) == ["EXPIRED"]
    assert not world.told.returns


async def test_backlogs_are_measured_once_in_a_while_by_whoever_comes_first(world: World) -> None:
    await world.accept(new_job(), new_job(), new_job(not_before=datetime.now(UTC) + timedelta(hours=1)))
    for _ in range(3):
        await world.queue.measure_backlog(every_seconds=10.0, at=world.clock.now())
    await world.outbox.flush()
    (event,) = world.told.events
    assert event.type == event_pb2.EVENT_TYPE_BACKLOG_MEASURED
    assert event.backlog.waiting == 3
    assert event.backlog.HasField("oldest")


async def test_a_backlog_that_is_worked_off_is_measured_once_more_as_nothing(world: World) -> None:
    await world.accept(new_job())
    await world.queue.measure_backlog(every_seconds=0.0, at=world.clock.now())
    await take(world, lease_seconds=30.0)
    for _ in range(3):
        await world.queue.measure_backlog(every_seconds=0.0, at=world.clock.now())
    await world.outbox.flush()
    measured = [event.backlog.waiting for event in world.told.events if event.HasField("backlog")]
    assert measured == [1, 0]
