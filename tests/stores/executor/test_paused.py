"""What waits in a paused scope, on PostgreSQL: it is told once, costs nothing, and goes on at once."""

from uuid import UUID

import pytest
from tests.stores.executor.test_dispatch import PAUSE, PAUSE_ID, another_question, paused
from tests.stores.executor.world import FakeProvider, World, new_job, until

from chassis.database import Database
from executor.application.ports import Allowed
from executor.application.rounds import Limits
from kernel.errors import Failure, Kind
from kernel.ids import uuid7


@pytest.fixture
async def database(service_database) -> Database:  # type: ignore[no-untyped-def]
    found: Database = await service_database("executor")
    return found


async def marked(world: World) -> int:
    return int((await world.sql("SELECT count(*) FROM job WHERE held_by IS NOT NULL"))[0][0])


async def test_a_known_pause_is_asked_about_once_and_marks_no_more_than_its_share(database: Database) -> None:
    world = World.on(database, limits=Limits(holds=5))
    world.control.answer = lambda scope: paused()
    world.pauses.snapshot([PAUSE])
    await world.accept(*(new_job() for _ in range(30)))
    for _ in range(5):
        await world.dispatch.round()
    assert len(world.control.asked) == 1
    assert await marked(world) == 5
    await world.accept(new_job())
    await world.sql("UPDATE job SET next_attempt_at = now()")
    assert await world.dispatch.round() == world.dispatch._limits.longest_sleep, "it sleeps for as long as it ever does"
    assert len(world.control.asked) == 1


async def test_the_end_of_a_known_pause_sends_what_was_marked_and_what_was_not(database: Database) -> None:
    world = World.on(database, limits=Limits(holds=5))
    world.control.answer = lambda scope: paused()
    world.pauses.snapshot([PAUSE])
    async with world.running():
        await world.accept(*(new_job() for _ in range(30)))
        await until(lambda: marked_five(world))
        world.control.answer = lambda scope: Allowed(rate_factor=1.0, control_version=9)
        world.pauses.ended(PAUSE_ID)
        world.dispatch.wake.ring()
        await until(lambda: len(world.provider.sent) == 30, seconds=1.0)


async def marked_five(world: World) -> bool:
    return await marked(world) == 5


async def test_a_job_released_too_early_is_not_told_of_the_same_pause_again(database: Database) -> None:
    """The stream may be behind the answers: the end of an older pause releases what a newer one holds."""
    world = World.on(database)
    world.control.answer = lambda scope: paused()
    job = new_job()
    await world.accept(job)
    await world.dispatch.round()
    assert await world.queue.release_held([], jobs=10) == 1
    assert await world.queue.release_held([], jobs=10) == 0, "what is due needs no release"
    world.dispatch._patience._put_off.clear()
    await world.dispatch.round()
    await world.outbox.flush()
    assert world.told.types(job.intent_id) == ["HELD"]
    row = (await world.sql("SELECT next_attempt_at > now() + interval '50 s' AS held FROM job"))[0]
    assert row.held


async def test_a_pause_whose_end_was_never_heard_of_holds_nothing_once_control_allows(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: paused()
    world.pauses.snapshot([PAUSE])
    await world.accept(new_job())
    await world.dispatch.round()
    world.pauses.lost()
    world.control.answer = lambda scope: Allowed(rate_factor=1.0, control_version=9)
    await world.accept(new_job())
    await another_question(world)
    await world.dispatch.round()
    assert world.outcomes.in_flight == 2, "the job that waits and the one that was held"


async def test_a_hundred_thousand_jobs_go_on_within_a_second(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: paused()
    job = new_job()
    await world.accept(job)
    columns = """organization_id, instance_id, campaign_id, next_attempt_at, lapses_at, state, decision_number,
        next_sequence, submitted_at, approved_at, approved_until, expire_time, retry_unknown, category, recipient_id,
        traceparent, recipient, content"""
    await world.sql(
        f"""INSERT INTO job (intent_id, {columns}, held_by, reason)
        SELECT gen_random_uuid(), {columns.replace("next_attempt_at", "now() + interval '60 s'")}, :held, 'OPS_PAUSED'
        FROM job, generate_series(1, 100000)""",
        held=[PAUSE_ID],
    )
    world.pauses.snapshot([PAUSE])
    async with world.running():
        await until(lambda: world.control.asked)
        world.control.answer = lambda scope: Allowed(rate_factor=1.0, control_version=9)
        world.pauses.ended(PAUSE_ID)
        world.dispatch.wake.ring()
        await until(lambda: world.provider.sent, seconds=1.0)


async def test_what_was_not_put_back_by_the_stop_is_put_back_before_the_end(database: Database) -> None:
    provider = FakeProvider()
    world = World.on(database, provider=provider)
    job, begin = new_job(), world.queue.begin
    tokens: list[UUID] = []

    def broken():  # type: ignore[no-untyped-def]
        raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the connection broke during the commit")

    await world.accept(job)
    world.dispatch._begin = broken

    def new_token() -> UUID:
        tokens.append(uuid7())
        return tokens[-1]

    world.dispatch._new_token = new_token
    with pytest.raises(Failure):
        await world.dispatch.round()
    world.control.failure = Failure(Kind.UNAVAILABLE, "CONTROL_UNREACHABLE", "so that nothing else is taken")
    world.dispatch._begin = begin
    async with world.running():
        await world.sql(
            """WITH taken AS (
              UPDATE job SET state = 'SENDING', next_attempt_at = NULL, attempt = 1, tries = 1, lease_token = :token,
                taken_at = now() RETURNING organization_id, intent_id
            )
            INSERT INTO lease (token, lease_until, organization_ids, intent_ids)
            SELECT :token, now() + interval '30 s', ARRAY[organization_id], ARRAY[intent_id]
            FROM taken
            RETURNING token""",
            token=tokens[-1],
        )
    assert await world.state(job) == "READY"
