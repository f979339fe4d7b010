"""The dispatch loop on PostgreSQL: what is due is sent once, at its lane's pace, and only with a permit."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from tests.stores.executor.world import (
    CAMPAIGN,
    INSTANCE,
    LANE,
    ORGANIZATION,
    FakeProvider,
    World,
    new_job,
    until,
)

from chassis.database import Database
from chassis.validation import Rules
from executor.application.ports import Allowed, Paused, Settling, TakeOrder, Unclear
from executor.application.rounds import Limits
from executor.application.session import SESSION_ENDED
from executor.domain.job import Scope, TakenJob
from executor.domain.outcome import Rejected, Retryable, Unknown
from executor.domain.pauses import Pause, PauseScope
from executor.infrastructure.events import fingerprint
from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import signal_pb2


@pytest.fixture
async def database(service_database) -> Database:  # type: ignore[no-untyped-def]
    found: Database = await service_database("executor")
    return found


def order(**values: object) -> TakeOrder:
    scope = Scope(ORGANIZATION, INSTANCE, CAMPAIGN)
    usual = TakeOrder(
        scopes=((scope, Allowed(rate_factor=1.0, control_version=7)),),
        platform_version=4,
        token=uuid7(),
        jobs=100,
        per_scope=100,
        horizon=0.25,
        permit_seconds=0.45,
        lease_seconds=20.0,
    )
    return replace(usual, **values)  # type: ignore[arg-type]


async def take(world: World, **values: object) -> list[TakenJob]:
    async with world.queue.begin() as tx:
        return list(await tx.take(order(**values)))


async def test_an_accepted_job_is_sent_at_once_and_its_story_told(database: Database) -> None:
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
    assert sent.attempt.provider_message_id == fingerprint(f"w.{job.intent_id}.1"), "never the id, which holds a number"
    assert (sent.attempt.control_version, sent.attempt.platform_version) == (7, 4)
    for name in ("submitted_at", "approved_at", "taken_at", "began_at", "ended_at"):
        assert sent.attempt.HasField(name), name
    assert not await world.sql("SELECT token FROM lease"), "a lease whose jobs are all settled is closed"


async def test_a_slow_answer_holds_up_no_other_send(database: Database) -> None:
    world = World.on(database)
    world.provider.gate = asyncio.Event()
    async with world.running():
        await world.accept(new_job())
        await world.provider.began.wait()
        await world.accept(new_job())
        await until(lambda: len(world.provider.sent) == 2)
        world.provider.gate.set()
        await until(lambda: world.outcomes.in_flight == 0)
    assert set((await world.states()).values()) == {"SENT"}


async def test_executors_side_by_side_send_each_job_once(database: Database, databases) -> None:  # type: ignore[no-untyped-def]
    """Without the guard (READY to SENDING under the lanes' locks) three rounds at once would double-send."""
    provider = FakeProvider()
    worlds = [World.on(database, provider=provider, limits=Limits(per_lane=7), capacity=20) for _ in range(3)]
    lanes = [replace(LANE, instance_id=f"inst-{number}") for number in range(4)]
    jobs = [new_job(instance_id=f"inst-{number % 4}") for number in range(400)]
    await worlds[0].accept(*jobs, lanes=lanes)
    async with worlds[0].running(), worlds[1].running(), worlds[2].running():
        await until(lambda: len(provider.sent) >= 400, seconds=30)
        await until(lambda: all(world.outcomes.in_flight == 0 for world in worlds))
    attempts = Counter(attempt_id for attempt_id, _ in provider.sent)
    assert len(attempts) == 400
    assert set(attempts.values()) == {1}
    assert set((await worlds[0].states()).values()) == {"SENT"}
    assert sum(1 for world in worlds if world.control.asked) >= 2


async def test_taking_at_the_same_time_gives_no_job_to_two(database: Database) -> None:
    world = World.on(database)
    jobs = [new_job() for _ in range(50)]
    await world.accept(*jobs)
    taken = await asyncio.gather(*(take(world, jobs=10) for _ in range(8)))
    ids = [job.job.intent_id for batch in taken for job in batch]
    assert len(ids) == len(set(ids))
    assert ids, "somebody got the lane"


async def test_slots_keep_the_gap_and_the_burst(database: Database) -> None:
    world = World.on(database)
    await world.accept(*(new_job() for _ in range(20)), lanes=[replace(LANE, gap=0.05, burst=3)])
    taken = await take(world, horizon=0.22)
    slots = [job.slot_in for job in taken]
    assert slots[:3] == pytest.approx([0.0, 0.0, 0.0], abs=0.01), "the burst goes back to back"
    assert [b - a for a, b in pairwise(slots[2:])] == pytest.approx([0.05] * (len(slots) - 3), abs=1e-3)
    assert max(slots) <= 0.22
    assert len(slots) == 7
    again = await take(world, horizon=0.22)
    assert not again or min(job.slot_in for job in again) > 0.1, "the next round goes on where this one ended"


async def test_a_job_is_not_taken_before_its_own_time_comes_near(database: Database) -> None:
    world = World.on(database)
    now = datetime.now(UTC)
    soon, later = new_job(not_before=now + timedelta(seconds=20)), new_job(not_before=now + timedelta(seconds=40))
    await world.accept(soon, later)
    taken = await take(world, horizon=25.0)
    assert [job.job.intent_id for job in taken] == [soon.intent_id]
    assert 5.0 < taken[0].slot_in <= 20.0


async def test_a_job_that_lapses_while_the_permit_holds_is_not_begun(database: Database) -> None:
    """Its slot would come in time, but a send may begin as late as the permit allows."""
    world = World.on(database)
    now = datetime.now(UTC)
    ending, lasting = (new_job(approved_until=now + timedelta(seconds=seconds)) for seconds in (30, 90))
    await world.accept(ending, lasting)
    taken = await take(world, permit_seconds=60.0)
    assert [job.job.intent_id for job in taken] == [lasting.intent_id]


async def test_a_round_takes_no_more_than_may_begin_and_turns_from_lane_to_lane(database: Database) -> None:
    world = World.on(database)
    lanes = [replace(LANE, instance_id=f"inst-{number}") for number in range(3)]
    await world.accept(*(new_job(instance_id=f"inst-{number % 3}") for number in range(60)), lanes=lanes)
    allowed = Allowed(rate_factor=1.0, control_version=1)
    scopes = tuple((Scope(ORGANIZATION, f"inst-{number}", CAMPAIGN), allowed) for number in range(3))
    taken = await take(world, scopes=scopes, jobs=9)
    turns = [{job.job.instance_id for job in taken[first : first + 3]} for first in (0, 3, 6)]
    assert turns == [{"inst-0", "inst-1", "inst-2"}] * 3, "and they begin in that order"


async def test_a_lane_keeps_the_pace_of_what_is_sent(database: Database) -> None:
    world = World.on(database)
    async with world.running():
        await world.accept(*(new_job() for _ in range(10)), lanes=[replace(LANE, gap=0.03)])
        await until(lambda: len(world.provider.sent) == 10)
    times = [at for _, at in world.provider.sent]
    assert times[-1] - times[0] >= 9 * 0.03 - 0.02
    assert times[-1] - times[0] < 2.0


async def test_one_question_a_round_for_all_its_scopes(database: Database) -> None:
    world = World.on(database)
    await world.accept(*(new_job(campaign_id=f"c-{number}") for number in range(5)))
    await world.dispatch.round()
    assert len(world.control.asked) == 1
    assert len(world.control.asked[0]) == 5


async def test_a_round_that_left_nothing_puts_off_the_next_look(database: Database) -> None:
    world = World.on(database, limits=Limits(per_lane=5))
    world.control.ttl = 4.0
    await world.accept(*(new_job() for _ in range(9)))
    assert await world.dispatch.round() <= 0, "a full lane may have left some"
    assert await world.dispatch.round() > 0.5, "the rest was fewer than could be taken"
    assert set((await world.states()).values()) == {"SENDING"}


@pytest.mark.parametrize("ramp", [0.5, 0.999])
async def test_a_ramp_that_left_nothing_is_looked_at_again_at_once(database: Database, ramp: float) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: Allowed(rate_factor=ramp, control_version=7)
    await world.accept(new_job())
    assert await world.dispatch.round() <= 0


async def test_no_question_is_longer_than_what_control_answers(database: Database) -> None:
    world = World.on(database, limits=Limits(sends=2))
    await world.accept(*(new_job(campaign_id=f"c-{number}") for number in range(5)))
    async with world.running():
        await until(lambda: len(world.provider.sent) == 5)
    assert max(map(len, world.control.asked)) == 2

    longest = Limits().sends + Limits().holds
    request = control_pb2.CheckExecutionsRequest(
        scopes=[control_pb2.ExecutionScope(organization_id="demo") for _ in range(longest)], session_id=str(uuid7())
    )
    assert not Rules().violations(request)


@pytest.mark.parametrize(
    "failure",
    [Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away"), Failure(Kind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "late")],
    ids=["away", "late"],
)
async def test_without_control_nothing_is_taken_and_it_goes_on_when_control_is_back(
    database: Database, failure: Failure
) -> None:
    world = World.on(database)
    world.control.failure = failure
    job = new_job()
    async with world.running():
        await world.accept(job)
        await until(lambda: len(world.control.asked) >= 3)
        row = (await world.sql("SELECT state, reason, attempt, tries, next_attempt_at FROM job"))[0]
        assert (row.state, row.reason, row.attempt, row.tries) == ("READY", "CONTROL_UNREACHABLE", 0, 0)
        assert not world.provider.sent
        world.control.failure = None
        await until(lambda: world.provider.sent, seconds=1.0)
        await until(lambda: len(world.told.of(job.intent_id)) == 2)
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "SENT"]


@pytest.mark.parametrize("ttl", [0.0, -1.0, 60.0])
async def test_an_answer_with_no_valid_ttl_is_no_permit(database: Database, ttl: float) -> None:
    world = World.on(database)
    world.control.ttl = ttl
    await world.accept(new_job())
    await world.dispatch.round()
    assert set((await world.states()).values()) == {"READY"}


async def test_an_unclear_answer_is_no_permit(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: Unclear()
    await world.accept(new_job())
    await world.dispatch.round()
    assert set((await world.states()).values()) == {"READY"}


async def test_an_answer_that_comes_after_its_permit_ended_takes_nothing(database: Database) -> None:
    world = World.on(database)
    world.control.ttl = 0.1
    world.control.before = lambda: asyncio.sleep(0.15)
    await world.accept(new_job())
    await world.dispatch.round()
    assert set((await world.states()).values()) == {"READY"}
    assert not world.provider.sent


async def test_a_permit_over_at_the_last_hook_puts_the_job_back_uncounted(database: Database) -> None:
    world = World.on(database)
    world.control.ttl = 0.2
    job = new_job()

    class Late(FakeProvider):
        async def send(self, message, begin):  # type: ignore[no-untyped-def]
            if not self.sent:
                self.sent.append(("late", 0.0))
                await asyncio.sleep(0.2)
            return await super().send(message, begin)

    late = Late()
    world = World.on(database, provider=late, control=world.control)
    async with world.running():
        await world.accept(job)
        await until(lambda: len(world.told.of(job.intent_id)) == 4)
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "SEND_ABORTED", "SEND_STARTED", "SENT"]
    aborted = world.told.of(job.intent_id)[1]
    assert aborted.reason == "PERMIT_LAPSED"
    assert not aborted.attempt.HasField("began_at")
    row = (await world.sql("SELECT attempt, tries FROM job"))[0]
    assert (row.attempt, row.tries) == (2, 1), "the attempt has a number and does not count"


PAUSE_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
PAUSE = Pause(
    control_id=PAUSE_ID,
    scope=PauseScope.CAMPAIGN,
    organization_id=ORGANIZATION,
    target=CAMPAIGN,
    version=8,
    pausing=True,
)


def paused(until_time: datetime | None = None, control_id: UUID = PAUSE_ID) -> Paused:
    return Paused(control_ids=(control_id,), reason="wrong template", paused_until=until_time)


async def another_question(world: World) -> None:
    """Do rounds until control is asked again: what is known to be paused is put off."""
    asked = len(world.control.asked)

    async def asks() -> bool:
        await world.dispatch.round()
        return len(world.control.asked) > asked

    await until(asks)


async def test_an_answer_older_than_a_pause_that_was_heard_of_takes_nothing(database: Database) -> None:
    world = World.on(database)

    async def hear() -> None:
        world.revocations.revoke([PAUSE], world.clock.boottime())

    world.control.before = hear
    await world.accept(new_job())
    await world.dispatch.round()
    assert not world.outcomes.in_flight
    assert set((await world.states()).values()) == {"READY"}
    world.control.answer = lambda scope: Allowed(rate_factor=1.0, control_version=9)
    await another_question(world)
    assert set((await world.states()).values()) == {"SENDING"}, "what was answered after the pause passes"


async def test_a_pause_heard_of_before_the_last_hook_stops_the_send_and_the_job_meets_it(database: Database) -> None:
    job, world = new_job(), World.on(database)

    class Slow(FakeProvider):
        async def send(self, message, begin):  # type: ignore[no-untyped-def]
            world.revocations.revoke([PAUSE], world.clock.boottime())
            world.control.answer = lambda scope: paused()
            return await super().send(message, begin)

    world = World.on(database, provider=Slow())
    async with world.running():
        await world.accept(job)
        await until(lambda: len(world.told.of(job.intent_id)) == 3)
    assert not world.provider.sent
    assert world.told.types(job.intent_id) == ["SEND_STARTED", "SEND_ABORTED", "HELD"]
    assert world.told.of(job.intent_id)[1].reason == "PERMIT_REVOKED"
    row = (await world.sql("SELECT state, tries FROM job"))[0]
    assert (row.state, row.tries) == ("READY", 0)


async def test_without_a_session_nobody_is_asked_and_an_ended_one_is_given_up(database: Database) -> None:
    world = World.on(database)
    await world.accept(new_job())
    world.control.failure = Failure(Kind.FAILED_PRECONDITION, SESSION_ENDED, "over")
    await world.dispatch.round()
    assert world.session.session_id is None
    world.control.failure = None
    await world.dispatch.round()
    assert len(world.control.asked) == 1
    assert set((await world.states()).values()) == {"READY"}


async def test_a_pause_holds_due_jobs_and_says_so_once(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: paused()
    job = new_job()
    await world.accept(job)
    await world.dispatch.round()
    row = (await world.sql("SELECT state, reason, attempt, next_attempt_at - now() AS wait FROM job"))[0]
    assert (row.state, row.reason, row.attempt) == ("READY", "OPS_PAUSED", 0)
    assert timedelta(seconds=55) < row.wait <= timedelta(seconds=60)
    for _ in range(2):
        await world.sql("UPDATE job SET next_attempt_at = now()")
        await another_question(world)
    world.control.answer = lambda scope: paused(control_id=uuid7())
    await world.sql("UPDATE job SET next_attempt_at = now()")
    await another_question(world)
    await world.outbox.flush()
    assert world.told.types(job.intent_id) == ["HELD", "HELD"], "one a job and pause"
    first = world.told.of(job.intent_id)[0]
    assert (first.reason, list(first.hold.control_ids), first.hold.pause_reason) == (
        "OPS_PAUSED",
        [str(PAUSE_ID)],
        "wrong template",
    )


async def test_a_pause_that_ends_soon_holds_no_longer_than_it_lasts(database: Database) -> None:
    world = World.on(database)
    ends = datetime.now(UTC) + timedelta(seconds=20)
    world.control.answer = lambda scope: paused(ends)
    await world.accept(new_job())
    await world.dispatch.round()
    row = (await world.sql("SELECT next_attempt_at FROM job"))[0]
    assert row.next_attempt_at == ends


async def test_a_pause_past_its_end_is_not_asked_about_in_a_circle(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: paused(datetime.now(UTC) - timedelta(seconds=5))
    await world.accept(new_job())
    await world.dispatch.round()
    row = (await world.sql("SELECT reason, next_attempt_at > now() AS later FROM job"))[0]
    assert (row.reason, row.later) == ("OPS_PAUSED", True)


async def test_a_resume_makes_held_jobs_run_at_once(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: paused()
    world.pauses.snapshot(
        [
            Pause(
                control_id=PAUSE_ID,
                scope=PauseScope.CAMPAIGN,
                organization_id=ORGANIZATION,
                target=CAMPAIGN,
                version=5,
                pausing=False,
            )
        ]
    )
    job = new_job()
    async with world.running():
        await world.accept(job)
        await until(lambda: "HELD" in world.told.types(job.intent_id))
        world.control.answer = lambda scope: Allowed(rate_factor=1.0, control_version=8)
        world.pauses.ended(PAUSE_ID)
        world.dispatch.wake.ring()
        await until(lambda: world.provider.sent, seconds=1.0)


async def test_a_job_held_by_two_pauses_stays_when_one_ends(database: Database) -> None:
    world = World.on(database)
    other = uuid7()
    world.control.answer = lambda scope: Paused(control_ids=(PAUSE_ID, other), reason="x", paused_until=None)
    await world.accept(new_job())
    await world.dispatch.round()
    assert await world.queue.release_held([other], jobs=10) == 0
    assert await world.queue.release_held([], jobs=10) == 1


async def test_scopes_known_to_be_paused_are_left_out_of_rounds(database: Database) -> None:
    world = World.on(database)
    world.control.answer = lambda scope: (
        paused() if scope.campaign_id == CAMPAIGN else Allowed(rate_factor=1.0, control_version=1)
    )
    world.pauses.snapshot(
        [
            Pause(
                control_id=PAUSE_ID,
                scope=PauseScope.CAMPAIGN,
                organization_id=ORGANIZATION,
                target=CAMPAIGN,
                version=5,
                pausing=False,
            )
        ]
    )
    await world.accept(*(new_job() for _ in range(500)), new_job(campaign_id="other"))
    await world.dispatch.round()
    world.control.asked.clear()
    await world.accept(new_job(campaign_id="other"))
    await world.dispatch.round()
    assert world.control.asked == [(Scope(ORGANIZATION, INSTANCE, "other"),)]
    world.pauses.lost()
    await world.accept(new_job(campaign_id="other"))
    await world.dispatch.round()
    assert Scope(ORGANIZATION, INSTANCE, CAMPAIGN) in world.control.asked[-1], "a broken watch is believed nothing"


async def test_a_retryable_outcome_is_tried_again_until_the_attempts_are_used_up(database: Database) -> None:
    world = World.on(database)
    job = new_job()
    retry = Retryable(reason="RETRY_SOON", provider_code="131000", retry_after=0.0)
    world.provider.outcomes[job.intent_id] = [retry] * 5
    async with world.running():
        await world.accept(job)
        await until(lambda: len(world.told.of(job.intent_id)) == 10)
    assert await world.state(job) == "DEAD"
    types = world.told.types(job.intent_id)
    assert types == ["SEND_STARTED", "RETRY_SCHEDULED"] * 4 + ["SEND_STARTED", "FAILED"]
    assert world.told.of(job.intent_id)[-1].reason == "ATTEMPTS_EXHAUSTED"
    assert world.told.of(job.intent_id)[1].attempt.HasField("next_attempt_at")


async def test_a_rejection_is_final_and_tells_the_gate(database: Database) -> None:
    world = World.on(database)
    job = new_job()
    world.provider.outcomes[job.intent_id] = [Rejected(reason="RECIPIENT_NEVER", provider_code="131026")]
    async with world.running():
        await world.accept(job)
        await until(lambda: len(world.told.of(job.intent_id)) == 2)
        await until(lambda: world.told.signals)
    assert await world.state(job) == "FAILED"
    (signal,) = world.told.signals
    assert (signal.kind, signal.code, signal.intent_id) == (
        signal_pb2.SignalKind.SIGNAL_KIND_FAILED,
        "RECIPIENT_NEVER",
        str(job.intent_id),
    )


async def test_an_unknown_outcome_is_parked_or_tried_again_as_the_job_says(database: Database) -> None:
    world = World.on(database)
    parked, again = new_job(), new_job(retry_unknown=True)
    for job in (parked, again):
        world.provider.outcomes[job.intent_id] = [Unknown(reason="TIMEOUT")]
    async with world.running():
        await world.accept(parked, again)
        await until(lambda: len(world.told.of(parked.intent_id)) == 2)
        await until(lambda: len(world.told.of(again.intent_id)) == 3)
    assert await world.state(parked) == "UNKNOWN"
    assert world.told.types(again.intent_id)[:3] == ["SEND_STARTED", "OUTCOME_UNKNOWN", "RETRY_SCHEDULED"]


async def test_sends_are_counted_for_the_gate_by_instance_and_minute(database: Database) -> None:
    world = World.on(database)
    async with world.running():
        await world.accept(*(new_job() for _ in range(100)))
        await until(lambda: sum(signal.count for signal in world.told.signals) == 100)
    assert len(world.told.signals) < 20


async def test_stopping_takes_nothing_more_and_finishes_what_is_under_way(database: Database) -> None:
    world = World.on(database)
    world.provider.gate = asyncio.Event()
    job, later = new_job(), new_job(not_before=datetime.now(UTC) + timedelta(seconds=1))
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        loops = [group.create_task(world.dispatch.run(stop)), group.create_task(world.outcomes.run(stop))]
        await world.accept(job, later)
        await world.provider.began.wait()
        stop.set()
        await asyncio.sleep(0)
        assert not loops[0].done()
        world.provider.gate.set()
    assert await world.state(job) == "SENT"
    assert await world.state(later) == "READY"


async def test_a_take_whose_commit_was_not_heard_of_is_put_back_and_not_unknown(database: Database) -> None:
    world = World.on(database)
    job = new_job()
    await world.accept(job)
    token = uuid7()
    await take(world, token=token)
    world.dispatch._unconfirmed.note(token)
    await world.dispatch.round()
    await world.outbox.flush()
    assert world.told.types(job.intent_id)[:2] == ["SEND_STARTED", "SEND_ABORTED"]
    assert world.told.of(job.intent_id)[1].reason == "TAKE_UNCONFIRMED"


async def test_a_take_that_commits_after_its_connection_broke_is_put_back_when_it_shows(database: Database) -> None:
    world = World.on(database)
    job, token = new_job(), uuid7()
    await world.accept(job)
    begin = world.queue.begin

    def broken():  # type: ignore[no-untyped-def]
        raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the connection broke during the commit")

    world.dispatch._begin, world.dispatch._new_token = broken, lambda: token
    with pytest.raises(Failure):
        await world.dispatch.round()
    world.dispatch._begin = begin
    world.control.failure = Failure(Kind.UNAVAILABLE, "CONTROL_UNREACHABLE", "so that nothing else is taken")
    await world.dispatch.round()  # looks for it too early
    await take(world, token=token)  # what the server still had to finish
    await world.dispatch.round()
    assert await world.state(job) == "READY"
    await world.outbox.flush()
    assert world.told.of(job.intent_id)[1].reason == "TAKE_UNCONFIRMED"
    assert not world.provider.sent


@pytest.mark.parametrize("paused", [False, True], ids=["due later", "known to be paused"])
async def test_however_many_scopes_of_one_lane_wait_those_of_others_are_sent(database: Database, paused: bool) -> None:
    crowd, mine = "crowd", replace(LANE, organization_id="mine")
    world = World.on(database, limits=Limits(scopes=3, holds=1))
    later = None if paused else datetime.now(UTC) + timedelta(minutes=5)
    waiting = [new_job(organization_id=crowd, campaign_id=f"c-{n}", not_before=later) for n in range(8)]
    await world.accept(*waiting, lanes=[replace(LANE, organization_id=crowd)])
    if paused:
        pause = Pause(
            control_id=uuid7(),
            scope=PauseScope.ORGANIZATION,
            organization_id=crowd,
            target="",
            version=5,
            pausing=False,
        )
        world.pauses.snapshot([pause])
        said = Paused(control_ids=(pause.control_id,), reason="halt", paused_until=None)
        allowed = Allowed(rate_factor=1.0, control_version=1)
        world.control.answer = lambda scope: said if scope.organization_id == crowd else allowed
    job = new_job(organization_id="mine")
    await world.accept(job, lanes=[mine])
    async with world.running():
        await until(lambda: len(world.provider.sent) == 1, seconds=3.0)
    assert await world.state(job) == "SENT"


async def test_an_answer_frees_its_place_before_it_is_stored(database: Database) -> None:
    world = World.on(database, capacity=2)
    may_store = asyncio.Event()
    begin = world.outcomes._begin

    @asynccontextmanager
    async def late() -> AsyncIterator[Settling]:
        await may_store.wait()
        async with begin() as tx:
            yield tx

    world.outcomes._begin = late
    async with world.running():
        await world.accept(*(new_job() for _ in range(5)))
        await until(lambda: len(world.provider.sent) == 4)
        await until(lambda: world.outcomes.room == 0)
        await world.dispatch.round()
        assert len(world.provider.sent) == 4, "no more outcomes wait for the database than there are places"
        may_store.set()
        await until(lambda: len(world.provider.sent) == 5)
        await until(lambda: world.outcomes.in_flight == 0)
    assert set((await world.states()).values()) == {"SENT"}


async def test_sends_that_hang_keep_the_last_place_from_nobody(database: Database) -> None:
    world = World.on(database, capacity=16)
    world.provider.gate = asyncio.Event()
    async with world.running():
        await world.accept(*(new_job() for _ in range(15)))
        await until(lambda: len(world.provider.sent) == 15)
        assert world.outcomes.is_crowded
        other = new_job(instance_id="inst-2")
        await world.accept(other, lanes=[replace(LANE, instance_id="inst-2")])
        await until(lambda: len(world.provider.sent) == 16)
        world.provider.gate.set()
        await until(lambda: world.outcomes.in_flight == 0)
    assert await world.state(other) == "SENT"


async def test_outcomes_that_cannot_be_stored_are_kept_and_nothing_more_is_taken(database: Database) -> None:
    world = World.on(database)
    broken = True
    begin = world.outcomes._begin

    def flaky():  # type: ignore[no-untyped-def]
        if broken:
            raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")
        return begin()

    world.outcomes._begin = flaky
    first, second = new_job(), new_job()
    async with world.running():
        await world.accept(first)
        await until(lambda: world.outcomes.room == 0)
        await world.accept(second)
        await world.dispatch.round()
        assert len(world.provider.sent) == 1
        broken = False
        await until(lambda: len(world.provider.sent) == 2)
        await until(lambda: world.outcomes.in_flight == 0)
    assert set((await world.states()).values()) == {"SENT"}
