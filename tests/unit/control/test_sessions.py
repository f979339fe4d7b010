"""A session ends by its lease and is forgotten a whole W later; nothing else ends it but its own word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
from tests.unit.control.memory import ManualClock, Memory, W, settle

from control.application.sessions import LEASE, Sessions
from control.domain.fence import FenceRule
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, SessionId, uuid7

_SECONDS = LEASE.total_seconds()
_LOOK = 0.5
ONE = SessionId(uuid7())


class Scene:
    """Sessions on a store, and how often a fence was told to look."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Memory(self.clock)
        self.told = 0
        self.failures: list[Failure] = []
        self.sessions = self.replica()

    def replica(self) -> Sessions:
        """Return one more replica's sessions on the same store."""
        return Sessions(
            store=self.store, rule=FenceRule(), clock=self.clock, changed=self._tell, failed=self.failures.append
        )

    def _tell(self) -> None:
        self.told += 1


@pytest.fixture
async def scene() -> Scene:
    return Scene()


@pytest.fixture
async def running(scene: Scene) -> AsyncIterator[Scene]:
    task = asyncio.create_task(scene.sessions.run(asyncio.Event()))
    await settle()
    yield scene
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def refused(call: Awaitable[None]) -> tuple[Kind, str]:
    with pytest.raises(Failure) as failure:
        await call
    return failure.value.kind, failure.value.reason


async def test_a_lapsed_session_ends_and_is_forgotten_only_w_later(running: Scene) -> None:
    await running.sessions.register(ONE, "executor-1")

    await running.clock.advance(_SECONDS - 0.01)
    assert not running.store.sessions[ONE].has_ended
    await running.clock.advance(_LOOK + 0.01)
    assert running.store.sessions[ONE].has_ended
    await running.clock.advance(W - _LOOK - 0.01)
    assert ONE in running.store.sessions
    assert running.told == 0
    await running.clock.advance(_LOOK + 0.03)

    assert ONE not in running.store.sessions
    assert running.told == 1


async def test_w_is_that_of_the_longest_permit(running: Scene) -> None:
    running.store.ttl_max *= 4
    await running.sessions.register(ONE, "executor-1")

    await running.clock.advance(_SECONDS + 4 * (W - 0.05))
    assert ONE in running.store.sessions
    await running.clock.advance(_LOOK + 0.08)

    assert ONE not in running.store.sessions


async def test_another_replica_waits_a_whole_w_from_when_it_first_sees_the_mark(scene: Scene) -> None:
    await scene.sessions.register(ONE, "executor-1")
    await scene.clock.advance(_SECONDS + 60.0, step=1.0)
    await scene.store.mark_lapsed()
    await scene.clock.advance(60.0, step=1.0)
    task = asyncio.create_task(scene.replica().run(asyncio.Event()))

    await scene.clock.advance(W - 0.01)
    assert ONE in scene.store.sessions
    await scene.clock.advance(0.02)

    assert ONE not in scene.store.sessions
    task.cancel()


async def test_a_session_that_is_extended_lives_on(running: Scene) -> None:
    await running.sessions.register(ONE, "executor-1")
    for _ in range(10):
        await running.clock.advance(_SECONDS - 0.1, step=0.1)
        await running.sessions.acknowledge(ONE, [])

    assert not running.store.sessions[ONE].has_ended


async def test_an_ended_session_is_told_so_whatever_it_asks(running: Scene) -> None:
    await running.sessions.register(ONE, "executor-1")
    await running.clock.advance(_SECONDS + _LOOK + 0.01)
    ended = (Kind.FAILED_PRECONDITION, "SESSION_ENDED")

    assert await refused(running.sessions.register(ONE, "executor-1")) == ended
    assert await refused(running.sessions.acknowledge(ONE, [])) == ended
    assert await refused(running.sessions.acknowledge(SessionId(uuid7()), [])) == ended


async def test_only_what_a_fence_may_have_waited_for_is_told_at_once(scene: Scene) -> None:
    stop = ControlId(uuid7())
    await scene.sessions.register(ONE, "executor-1")
    await scene.sessions.acknowledge(ONE, [])
    assert scene.told == 0
    await scene.sessions.acknowledge(ONE, [stop])
    await scene.sessions.acknowledge(ONE, [stop])
    assert scene.told == 1
    await scene.sessions.end(ONE)
    assert scene.told == 2
    assert scene.store.sessions == {}


async def test_sessions_end_late_but_end_when_the_database_was_away(running: Scene) -> None:
    await running.sessions.register(ONE, "executor-1")
    running.store.down = True
    await running.clock.advance(_SECONDS + 1.0)
    assert running.failures
    running.store.down = False
    await running.clock.advance(0.2 + W + 0.02)

    assert ONE not in running.store.sessions
