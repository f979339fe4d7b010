"""A canary passes when all its sends went well and nothing came after; it fails as soon as too many did not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.unit.control.memory import START, TTL_MAX, ManualClock, Memory, order, settle, unavailable

from control.application.canaries import CanaryLoop
from control.application.waiting import Hints
from control.domain.pause import PLATFORM, Pause, Scope, Source, State
from control.domain.resumption import AFTER_CANARY, Canary, CanaryCount, ResumptionState
from kernel.errors import Failure
from kernel.ids import ControlId, uuid7

PLAN = Canary(sends=20, watch=timedelta(seconds=30), max_failure_share=0.1)


class Executors:
    """Answers the same count for every canary, or nothing."""

    def __init__(self) -> None:
        self.counted = CanaryCount(sends=0, succeeded=0, failed=0)
        self.down = False
        self.asked = 0
        self.proceed = asyncio.Event()
        self.proceed.set()

    def say(self, succeeded: int, failed: int, sends: int = 20) -> None:
        self.counted = CanaryCount(sends=sends, succeeded=succeeded, failed=failed)

    async def count(self, control_id: ControlId) -> CanaryCount:
        self.asked += 1
        await self.proceed.wait()
        await asyncio.sleep(0)
        if self.down:
            raise unavailable()
        return self.counted


class Fences:
    """Notes the pauses whose fence is to be waited for."""

    def __init__(self) -> None:
        self.begun: list[Pause] = []

    def committed(self, pause: Pause) -> None:
        self.begun.append(pause)

    async def settled(self, pause: Pause) -> Pause:
        raise AssertionError("a loop waits for no fence")


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Memory(self.clock)
        self.executors = Executors()
        self.fences = Fences()
        self.hints = Hints()
        self.failures: list[Failure] = []

    async def canary(self, **values: object) -> Pause:
        """Commit a pause of campaign `welcome` and lift it with a canary."""
        made = order(**values)
        async with self.store.change(made.organization_id) as change:
            begun = Pause.begin(
                made, control_id=ControlId(uuid7()), version=change.next_version, ttl_max=TTL_MAX, at=change.now
            )
            await change.write(begun)
            lifted = begun.resume(
                version=change.next_version, at=change.now, by="ana", reason="b", request_id="go", plan=PLAN
            )
            await change.write(lifted)
        self.hints.give()
        return lifted

    def state(self, pause: Pause) -> ResumptionState:
        resumption = self.store.pauses[pause.control_id].resumption
        assert resumption is not None
        return resumption.state(self.clock.now())

    def live(self) -> list[Pause]:
        return [pause for pause in self.store.pauses.values() if pause.state.is_live]

    @asynccontextmanager
    async def loop(self) -> AsyncIterator[None]:
        """Run one replica's loop."""
        loop = CanaryLoop(
            changes=self.store,
            canaries=self.store,
            counts=self.executors,
            fences=self.fences,
            new_id=uuid7,
            clock=self.clock,
            hint=self.hints.listener(),
            committed=self.hints.give,
            failed=self.failures.append,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(loop.run(stop))
        await settle()
        try:
            yield
        finally:
            stop.set()
            await task


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_canary_passes_when_its_watch_is_over_and_ramps_from_then(scene: Scene) -> None:
    async with scene.loop():
        pause = await scene.canary()
        scene.executors.say(succeeded=18, failed=1)
        await scene.clock.advance(60, step=0.25)
        assert scene.state(pause) is ResumptionState.CANARY

        scene.executors.say(succeeded=19, failed=1)
        await scene.clock.advance(29, step=0.25)
        assert scene.state(pause) is ResumptionState.CANARY
        await scene.clock.advance(3, step=0.25)

        assert scene.state(pause) is ResumptionState.RAMPING
        await scene.clock.advance(AFTER_CANARY.duration.total_seconds(), step=0.5)
    assert scene.state(pause) is ResumptionState.COMPLETE
    assert [event.version for event in scene.store.events] == [1, 2, 3]
    assert scene.live() == []


@pytest.mark.parametrize("late", [False, True], ids=["at once", "while it is watched"])
async def test_a_canary_that_fails_is_paused_again_at_once(scene: Scene, late: bool) -> None:
    async with scene.loop():
        pause = await scene.canary()
        if late:
            scene.executors.say(succeeded=20, failed=0)
            await scene.clock.advance(20, step=0.25)
        scene.executors.say(succeeded=5, failed=3, sends=9)
        await scene.clock.advance(0.6, step=0.1)

        assert scene.state(pause) is ResumptionState.FAILED
    (again,) = scene.live()
    assert (again.order.scope, again.order.target) == (pause.order.scope, pause.order.target)
    assert (again.order.source, again.order.paused_by, again.state) == (Source.AUTO, "control", State.PAUSING)
    assert again.order.reason == "the canary failed: 3 of 9 sends without success"
    resumption = scene.store.pauses[pause.control_id].resumption
    assert resumption is not None
    assert resumption.failure is not None
    assert resumption.failure.control_id == again.control_id
    assert scene.fences.begun == [again]
    assert [event.version for event in scene.store.events] == [1, 2, 3, 4]


async def test_a_canary_of_the_platform_is_paused_again_for_the_platform(scene: Scene) -> None:
    async with scene.loop():
        await scene.canary(organization_id=PLATFORM, scope=Scope.PLATFORM, target="", source=Source.PLATFORM)
        scene.executors.say(succeeded=0, failed=3)
        await scene.clock.advance(0.6, step=0.1)

    (again,) = scene.live()
    assert (again.organization_id, again.order.source) == (PLATFORM, Source.AUTO)


@pytest.mark.parametrize(("succeeded", "failed"), [(20, 0), (0, 20)])
async def test_two_loops_pass_or_fail_it_once(scene: Scene, succeeded: int, failed: int) -> None:
    async with scene.loop(), scene.loop():
        pause = await scene.canary()
        scene.executors.say(succeeded=succeeded, failed=failed)
        await scene.clock.advance(32, step=0.25)

    assert scene.state(pause) is (ResumptionState.FAILED if failed else ResumptionState.RAMPING)
    assert len(scene.live()) == bool(failed)
    assert len(scene.store.events) == (4 if failed else 3)


async def test_while_the_executor_is_away_a_canary_goes_on(scene: Scene) -> None:
    async with scene.loop():
        scene.executors.down = True
        pause = await scene.canary()
        await scene.clock.advance(120, step=0.5)
        assert scene.state(pause) is ResumptionState.CANARY
        scene.executors.down = False
        scene.executors.say(succeeded=20, failed=0)
        await scene.clock.advance(32, step=0.25)

    assert scene.failures
    assert scene.state(pause) is ResumptionState.RAMPING


async def test_another_replica_watches_the_whole_time_anew(scene: Scene) -> None:
    scene.executors.say(succeeded=20, failed=0)
    async with scene.loop():
        pause = await scene.canary()
        await scene.clock.advance(29, step=0.25)
    async with scene.loop():
        await scene.clock.advance(29, step=0.25)
        assert scene.state(pause) is ResumptionState.CANARY
        await scene.clock.advance(2, step=0.25)
        assert scene.state(pause) is ResumptionState.RAMPING


async def test_the_executor_is_asked_only_while_a_canary_runs(scene: Scene) -> None:
    async with scene.loop():
        await scene.clock.advance(20, step=0.5)
        assert scene.executors.asked == 0
        await scene.canary()
        await scene.clock.advance(10, step=0.25)

    assert 19 <= scene.executors.asked <= 22
    assert scene.clock.now() - START == timedelta(seconds=30)


async def test_a_stop_waits_for_one_count_at_most(scene: Scene) -> None:
    for number in range(3):
        await scene.canary(request_id=f"stop-{number}")
    async with scene.loop():
        await scene.clock.advance(0.6, step=0.1)
        asked = scene.executors.asked
        scene.executors.proceed.clear()
        await scene.clock.advance(0.5, step=0.1)
        assert scene.executors.asked == asked + 1
        asyncio.get_running_loop().call_soon(scene.executors.proceed.set)
    assert scene.executors.asked == asked + 1
