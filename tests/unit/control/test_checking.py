"""A check answers from what was committed when it was asked, or not at all."""

import asyncio
from collections.abc import Collection
from datetime import timedelta

import pytest
from tests.unit.control.memory import ManualClock, Memory, order, settle

from control.application.checking import Checks, Verdicts
from control.application.heartbeat import LIMIT_SECONDS, Heart
from control.application.ports import Snapshot
from control.domain.coverage import Sending
from control.domain.pause import Pause
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId, SessionId, uuid7

SENDING = Sending("demo", "sp-1", "welcome")


class SlowSnapshots:
    """Takes each snapshot at once and hands it over when told to, as a slow network or database does."""

    def __init__(self, store: Memory) -> None:
        self._store = store
        self.asked: list[set[str]] = []
        self.release: list[asyncio.Event] = []

    async def take(self, organizations: Collection[str], sessions: Collection[SessionId] = ()) -> Snapshot:
        self.asked.append(set(organizations))
        release = asyncio.Event()
        self.release.append(release)
        snapshot = await self._store.take(organizations, sessions)
        await release.wait()
        return snapshot

    async def finish(self, *answers: asyncio.Task[Verdicts]) -> None:
        """Hand everything over until `answers` are there."""
        for _ in range(20):
            await settle()
            for release in self.release:
                release.set()
        assert all(answer.done() for answer in answers)


class Scene:
    """Checks on a store whose heart beats."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Memory(self.clock)
        self.failures: list[Exception] = []
        self.heart = Heart(heartbeats=self.store, clock=self.clock, failed=self.failures.append)
        self.snapshots = SlowSnapshots(self.store)

    def checks(self, *, slow: bool = False, ttl: timedelta = timedelta(milliseconds=500)) -> Checks:
        snapshots = self.snapshots if slow else self.store
        return Checks(snapshots=snapshots, heart=self.heart, ttl=ttl, failed=self.failures.append)

    async def commit_pause(self, **values: object) -> None:
        made = order(**values)
        async with self.store.change(made.organization_id) as change:
            await change.write(
                Pause.begin(
                    made,
                    control_id=ControlId(uuid7()),
                    version=change.next_version,
                    ttl_max=change.ttl_max,
                    at=change.now,
                )
            )


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """No statement counts as slow, however busy the machine is."""
    monkeypatch.setattr("control.application.checking._SLOW_SECONDS", 60.0)
    return Scene()


@pytest.fixture
async def beating(scene: Scene):  # type: ignore[no-untyped-def]
    stop = asyncio.Event()
    task = asyncio.create_task(scene.heart.run(stop))
    await settle()
    yield
    stop.set()
    await task


def ask(checks: Checks, *sendings: Sending) -> asyncio.Task[Verdicts]:
    return asyncio.create_task(checks.check(sendings or [SENDING]))


def is_paused(answer: asyncio.Task[Verdicts]) -> list[bool]:
    return [bool(covering) for covering in answer.result().covering]


@pytest.mark.usefixtures("beating")
async def test_a_check_asked_after_the_commit_never_answers_from_an_older_snapshot(scene: Scene) -> None:
    """Joining the statement that runs would answer with its snapshot, which knows no pause."""
    checks = scene.checks(slow=True)
    before = ask(checks)
    await settle()
    await scene.commit_pause()
    after = ask(checks)
    await settle()
    assert len(scene.snapshots.release) == 1
    await scene.snapshots.finish(after, before)

    assert is_paused(before) == [False]
    assert is_paused(after) == [True]


@pytest.mark.usefixtures("beating")
async def test_what_is_asked_while_a_statement_runs_shares_the_next_one(scene: Scene) -> None:
    checks = scene.checks(slow=True)
    first = ask(checks, Sending("a", "", ""))
    await settle()
    later = [ask(checks, Sending(f"b{number}", "", "")) for number in range(50)]
    await settle()
    assert scene.snapshots.asked == [{"a"}]

    scene.snapshots.release[0].set()
    await settle()
    assert first.done()
    assert scene.snapshots.asked == [{"a"}, {f"b{number}" for number in range(50)}]
    scene.snapshots.release[1].set()
    await settle()
    assert all(answer.done() for answer in later)


@pytest.mark.usefixtures("beating")
async def test_a_statement_that_hangs_holds_up_only_its_own_callers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.application.checking._SLOW_SECONDS", 0.025)
    checks = scene.checks(slow=True)
    hanging = ask(checks)
    await settle()
    async with asyncio.timeout(5):
        answers = [ask(checks) for _ in range(3)]
        while len(scene.snapshots.release) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        scene.snapshots.release[1].set()
        await asyncio.gather(*answers)

    assert not hanging.done()
    await refused(hanging)


@pytest.mark.usefixtures("beating")
async def test_an_ended_session_gets_no_permit_from_the_snapshot_that_it_shares_with_a_live_one(scene: Scene) -> None:
    live, lapsed = SessionId(uuid7()), SessionId(uuid7())
    await scene.store.register(live, "executor-1", timedelta(seconds=3))
    await scene.store.register(lapsed, "executor-2", timedelta(seconds=-1))
    checks = scene.checks(slow=True)
    before = asyncio.create_task(checks.check([SENDING], lapsed))
    await settle()
    await scene.store.mark_lapsed()
    others = [asyncio.create_task(checks.check([SENDING], asked)) for asked in (live, lapsed, SessionId(uuid7()))]
    await scene.snapshots.finish(before, *others)

    assert not is_paused(before)[0]
    assert not is_paused(others[0])[0]
    for refused_one in others[1:]:
        with pytest.raises(Failure) as ended:
            await refused_one
        assert (ended.value.kind, ended.value.reason) == (Kind.FAILED_PRECONDITION, "SESSION_ENDED")


@pytest.mark.usefixtures("beating")
async def test_each_sending_gets_its_own_answer_in_order(scene: Scene) -> None:
    await scene.commit_pause()
    await scene.commit_pause(organization_id=OrganizationId("other"), target="spring", request_id="stop-2")
    answer = ask(
        scene.checks(),
        SENDING,
        Sending("demo", "sp-1", "spring"),
        Sending("other", "sp-1", "spring"),
        Sending("other", "", ""),
    )
    await settle()

    assert is_paused(answer) == [True, False, True, False]
    assert dict(answer.result().snapshot.versions) == {"": 0, "demo": 1, "other": 1}


@pytest.mark.usefixtures("beating")
async def test_no_more_is_granted_than_the_database_allows(scene: Scene) -> None:
    answer = ask(scene.checks(ttl=timedelta(seconds=3)))
    await settle()

    assert answer.result().ttl == scene.store.ttl_max


async def refused(answer: asyncio.Task[Verdicts]) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(Failure) as failure:
            await answer
    assert (failure.value.kind, failure.value.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")


async def test_nothing_is_granted_before_the_first_heartbeat(scene: Scene) -> None:
    await refused(ask(scene.checks()))


@pytest.mark.usefixtures("beating")
async def test_a_database_that_reads_but_cannot_write_does_not_go_on_granting(scene: Scene) -> None:
    scene.store.writable = False
    await scene.clock.advance(LIMIT_SECONDS - 0.001)
    granted = ask(scene.checks())
    await settle()
    assert is_paused(granted) == [False]
    await scene.clock.advance(0.101)

    await refused(ask(scene.checks()))

    scene.store.writable = True
    await scene.clock.advance(0.1)
    granted = ask(scene.checks())
    await settle()
    assert is_paused(granted) == [False]


@pytest.mark.usefixtures("beating")
async def test_an_answer_that_took_so_long_that_the_heartbeat_is_stale_is_not_given(scene: Scene) -> None:
    checks = scene.checks(slow=True)
    answer = ask(checks)
    await settle()
    scene.store.writable = False
    await scene.clock.advance(LIMIT_SECONDS + 0.1)
    for release in scene.snapshots.release:
        release.set()

    await refused(answer)


@pytest.mark.usefixtures("beating")
async def test_what_was_read_elsewhere_than_it_was_written_is_not_believed(scene: Scene) -> None:
    """Heartbeats reach the new primary while checks still read the old one."""
    await scene.clock.advance(1.0)
    elsewhere = Memory(scene.clock)
    checks = Checks(
        snapshots=elsewhere, heart=scene.heart, ttl=timedelta(milliseconds=500), failed=scene.failures.append
    )

    await refused(ask(checks))


@pytest.mark.usefixtures("beating")
async def test_when_the_database_is_away_all_who_asked_are_told(scene: Scene) -> None:
    scene.store.down = True

    answers = [ask(scene.checks()) for _ in range(3)]

    for answer in answers:
        await refused(answer)


@pytest.mark.usefixtures("beating")
async def test_a_caller_who_leaves_takes_nobody_along(scene: Scene) -> None:
    checks = scene.checks(slow=True)
    leaving, staying = ask(checks), ask(checks)
    await settle()
    leaving.cancel()
    await scene.snapshots.finish(staying)

    assert is_paused(staying) == [False]


async def test_a_slow_write_does_not_stop_the_heart(scene: Scene) -> None:
    """The second lane beats on while the first one's write hangs."""
    hang, beat = asyncio.Event(), scene.store.beat
    written: list[int] = []

    async def slow_in_first_lane(number: int, lane: int) -> None:
        if lane == 0 and number > 2:
            await hang.wait()
        written.append(lane)
        await beat(number, lane)

    scene.store.beat = slow_in_first_lane  # type: ignore[method-assign]
    stop = asyncio.Event()
    task = asyncio.create_task(scene.heart.run(stop))
    stale = 0
    for _ in range(100):
        await scene.clock.advance(0.01)
        stale += not scene.heart.is_fresh
    stop.set()
    await task

    assert stale == 0
    assert written.count(1) > 5


async def test_age_counts_from_before_the_write_began(scene: Scene) -> None:
    hang, beat = asyncio.Event(), scene.store.beat

    async def slow(number: int, lane: int) -> None:
        await hang.wait()
        await beat(number, lane)

    scene.store.beat = slow  # type: ignore[method-assign]
    stop = asyncio.Event()
    task = asyncio.create_task(scene.heart.run(stop))
    await scene.clock.advance(LIMIT_SECONDS + 0.05)
    scene.store.beat = lambda number, lane: asyncio.sleep(3600)  # type: ignore[method-assign]
    hang.set()
    await settle()

    assert scene.heart.number > 0
    assert not scene.heart.is_fresh
    stop.set()
    await task
