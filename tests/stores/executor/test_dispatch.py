"""The dispatch loop on PostgreSQL: a job accepted is sent once, with its whole story on the timeline."""

from chassis.database import Database
from tests.stores.executor.world import World, new_job, until


async def test_an_accepted_job_is_sent_at_once_and_its_story_told(service_database) -> None:  # type: ignore[no-untyped-def]
    database: Database = await service_database("executor")
    world = World.on(database)
    job = new_job()
    async with world.running():
        assert await world.accept(job) == 1
        await until(lambda: len(world.told.of(job.intent_id)) == 2)
    assert await world.state(job) == "SENT"
    started, sent = world.told.of(job.intent_id)
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "SENT"]
    assert [started.sequence, sent.sequence] == [3, 4]
    assert sent.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert sent.attempt.provider_message_id == f"w.{job.intent_id}.1"
    assert (sent.attempt.control_version, sent.attempt.platform_version) == (7, 4)
    for name in ("submitted_at", "approved_at", "taken_at", "began_at", "ended_at"):
        assert sent.attempt.HasField(name), name
