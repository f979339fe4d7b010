"""Pauses end when due, and watchers are told of everything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import pytest
from tests.unit.control.memory import ManualClock, Memory, order, settle

from control.application.expiry import expire_pauses
from control.application.waiting import Hints
from control.application.watching import Beat, Changed, Live, Message, Watch
from control.domain.pause import PLATFORM, SYSTEM, Pause, Scope, State
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId, uuid7

DEMO = frozenset((OrganizationId("demo"), PLATFORM))


class Scene:
    """A store, its clock and what loops share."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Memory(self.clock)
        self.hints = Hints()
        self.failures: list[Failure] = []
        self.watch = Watch(feed=self.store, clock=self.clock, hint=self.hints.listener(), failed=self.failures.append)

    async def pause(self, request_id: str = "stop-1", *, ends_in: float | None = None, **values: object) -> Pause:
        until = None if ends_in is None else self.clock.now() + timedelta(seconds=ends_in)
        made = order(request_id=request_id, paused_until=until, **values)
        async with self.store.change(made.organization_id) as change:
            begun = Pause.begin(
                made,
                control_id=ControlId(uuid7()),
                version=change.next_version,
                ttl_max=change.ttl_max,
                at=change.now,
            )
            await change.write(begun)
        self.hints.give()
        return begun

    @asynccontextmanager
    async def running(self, loop: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.ensure_future(loop(stop))
        await settle()
        yield
        stop.set()
        await self.clock.advance(0.01)
        await task

    async def expiring(self, stop: asyncio.Event) -> None:
        await expire_pauses(
            stop,
            changes=self.store,
            deadlines=self.store,
            clock=self.clock,
            hint=self.expiry_hint,
            committed=self.hints.give,
            failed=self.failures.append,
        )

    @property
    def expiry_hint(self) -> asyncio.Event:
        return self.hints.listener()


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_pause_ends_exactly_when_due(scene: Scene) -> None:
    async with scene.running(scene.expiring):
        late = await scene.pause("stop-1", ends_in=3.0)
        early = await scene.pause("stop-2", ends_in=1.0)
        await scene.clock.advance(0.99)
        assert all(pause.state.is_live for pause in scene.store.pauses.values())
        await scene.clock.advance(0.02)
        ended = scene.store.pauses[early.control_id]
        assert (ended.state, ended.changed_by) == (State.EXPIRED, SYSTEM)
        assert scene.store.pauses[late.control_id].state.is_live
        await scene.clock.advance(2.0)
        assert scene.store.pauses[late.control_id].state is State.EXPIRED
    assert [event.state for event in scene.store.events].count(State.EXPIRED) == 2


async def test_while_the_reaper_is_down_a_pause_holds_on(scene: Scene) -> None:
    made = await scene.pause(ends_in=0.1)

    await scene.clock.advance(10.0)

    assert scene.store.pauses[made.control_id].state.is_live


async def test_expiry_goes_on_when_the_database_is_back(scene: Scene) -> None:
    async with scene.running(scene.expiring):
        made = await scene.pause(ends_in=0.5)
        scene.store.down = True
        await scene.clock.advance(2.0)
        scene.store.down = False
        await scene.clock.advance(5.1)
        assert scene.store.pauses[made.control_id].state is State.EXPIRED


async def test_two_reapers_make_one_event(scene: Scene) -> None:
    async with scene.running(scene.expiring), scene.running(scene.expiring):
        await scene.pause(ends_in=0.5)
        await scene.clock.advance(1.0)
    assert [event.state for event in scene.store.events] == [State.PAUSING, State.EXPIRED]


class Reader:
    """Collects what a watcher is told."""

    def __init__(self, scene: Scene, organizations: frozenset[OrganizationId] | None = DEMO) -> None:
        self.messages: list[Message] = []
        self.task = asyncio.create_task(self._read(scene, organizations))

    async def _read(self, scene: Scene, organizations: frozenset[OrganizationId] | None) -> None:
        async with aclosing(scene.watch.follow(organizations)) as messages:
            async for message in messages:
                self.messages.append(message)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def changes(self) -> list[Pause]:
        return [message.pause for message in self.messages if isinstance(message, Changed)]


async def test_a_watcher_gets_what_is_live_and_then_each_change(scene: Scene) -> None:
    before = await scene.pause()
    async with scene.running(scene.watch.run):
        reader = Reader(scene)
        await settle()
        after = await scene.pause("stop-2")
        await settle()
        await reader.leave()

    assert reader.messages == [Live(pauses=[before]), Changed(pause=after)]


async def test_a_change_without_a_hint_arrives_within_a_second(scene: Scene) -> None:
    async with scene.running(scene.watch.run):
        reader = Reader(scene)
        await settle()
        scene.hints.give = lambda: None  # type: ignore[method-assign]
        made = await scene.pause()
        await scene.clock.advance(1.01)
        await reader.leave()

    assert reader.changes == [made]


async def test_callers_see_their_organization_and_the_platform_and_services_see_all(scene: Scene) -> None:
    async with scene.running(scene.watch.run):
        caller, service = Reader(scene), Reader(scene, None)
        await settle()
        own = await scene.pause()
        everything = await scene.pause(organization_id=PLATFORM, scope=Scope.PLATFORM, target="")
        foreign = await scene.pause(organization_id=OrganizationId("other"))
        await settle()
        await caller.leave()
        await service.leave()

    assert caller.changes == [own, everything]
    assert service.changes == [own, everything, foreign]


async def test_a_slow_reader_is_cut_off(scene: Scene) -> None:
    async with scene.running(scene.watch.run), aclosing(scene.watch.follow(DEMO)) as messages:
        first = asyncio.ensure_future(anext(messages))
        await settle()
        assert first.done()
        for number in range(300):
            await scene.pause(f"stop-{number}", target=f"c{number}")
        await settle()

        read = 0
        with pytest.raises(Failure) as cut_off:  # noqa: PT012
            async for _ in messages:
                read += 1
        assert read < 300
    assert (cut_off.value.kind, cut_off.value.reason) == (Kind.UNAVAILABLE, "UNAVAILABLE")


async def test_a_reader_that_leaves_while_it_joins_breaks_nothing(scene: Scene) -> None:
    async with scene.running(scene.watch.run):
        for _ in range(3):
            reader = Reader(scene)
            await asyncio.sleep(0)
            reader.task.cancel()
        await settle()
        staying = Reader(scene)
        await settle()
        assert staying.messages == [Live(pauses=[])]
        await staying.leave()


async def test_an_idle_stream_beats_with_the_time_of_the_database(scene: Scene) -> None:
    async with scene.running(scene.watch.run), aclosing(scene.watch.follow(DEMO)) as messages:
        joined = asyncio.ensure_future(anext(messages))
        await settle()
        assert isinstance(joined.result(), Live)
        beaten = asyncio.ensure_future(anext(messages))
        await scene.clock.advance(5.01, step=0.5)

        beat = beaten.result()
        assert isinstance(beat, Beat)
        assert scene.clock.now() - beat.at < timedelta(seconds=2)
