"""The session with control: registered before anything, extended, registered anew when over, ended at last."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from structlog.testing import capture_logs
from tests.stores.executor.world import until

from executor.application.session import SESSION_ENDED, Session
from kernel.errors import Failure, Kind
from kernel.ids import uuid7

PAUSES = [uuid7() for _ in range(3)]
ENDED = Failure(Kind.FAILED_PRECONDITION, SESSION_ENDED, "over")
AWAY = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away")


class Sessions:
    """Keeps what it was told; fails as scripted."""

    def __init__(self) -> None:
        self.live: list[UUID] = []
        self.asked: list[UUID] = []
        self.calls: list[tuple[UUID, list[UUID]]] = []
        self.failures: list[Failure] = []
        self.proceed = asyncio.Event()
        self.proceed.set()

    async def register(self, session_id: UUID, executor: str) -> None:
        assert executor == "executor-1"
        self.asked.append(session_id)
        await self._answer()
        self.live.append(session_id)

    async def acknowledge(self, session_id: UUID, control_ids: Sequence[UUID]) -> None:
        self.calls.append((session_id, list(control_ids)))
        await self._answer()

    async def end(self, session_id: UUID) -> None:
        self.live.remove(session_id)

    async def _answer(self) -> None:
        await self.proceed.wait()
        if self.failures:
            raise self.failures.pop(0)

    @property
    def acknowledged(self) -> list[UUID]:
        return [control_id for _, ids in self.calls for control_id in ids]


@asynccontextmanager
async def keeping(sessions: Sessions, *, rung: Callable[[], None] = lambda: None) -> AsyncIterator[Session]:
    session = Session(control=sessions, executor="executor-1", new_id=uuid7, registered=rung)
    stop = asyncio.Event()
    running = asyncio.create_task(session.run(stop))
    try:
        yield session
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await running


async def test_it_registers_extends_and_ends() -> None:
    sessions, rung = Sessions(), asyncio.Event()
    async with keeping(sessions, rung=rung.set) as session:
        await until(rung.is_set)
        assert sessions.live == [session.session_id]
        await until(lambda: len(sessions.calls) >= 2)
    assert not sessions.live
    assert session.session_id is None


async def test_a_registration_whose_answer_was_lost_is_repeated_under_its_id() -> None:
    sessions = Sessions()
    sessions.failures = [AWAY, AWAY]
    async with keeping(sessions) as session:
        await until(lambda: session.session_id)
    assert len(sessions.asked) == 3
    assert len(set(sessions.asked)) == 1, "another id would leave a session that nobody extends"


async def test_trouble_is_logged_once_however_long_it_lasts() -> None:
    sessions = Sessions()
    sessions.failures = [AWAY] * 5
    with capture_logs() as logged:
        async with keeping(sessions) as session:
            await until(lambda: session.session_id)
            sessions.failures = [AWAY]
            session.acknowledge(PAUSES[0])
            await until(lambda: sessions.acknowledged == [PAUSES[0]] * 2)
    assert [line["event"] for line in logged].count("executor.session_not_kept") == 2


async def test_an_id_that_is_over_is_never_used_again() -> None:
    sessions = Sessions()
    sessions.failures = [ENDED]
    async with keeping(sessions) as session:
        await until(lambda: session.session_id)
    assert len(set(sessions.asked)) == 2


async def test_a_session_that_control_ended_is_followed_by_another() -> None:
    sessions = Sessions()
    async with keeping(sessions) as session:
        await until(lambda: session.session_id)
        sessions.failures = [ENDED]
        session.acknowledge(PAUSES[0])
        await until(lambda: len(sessions.asked) == 2 and PAUSES[0] in sessions.calls[-1][1])
        first, second = sessions.asked
        assert first != second
        assert sessions.calls[-1] == (second, [PAUSES[0]]), "what is owed is owed by the next one too"
        session.ended(first)
        assert session.session_id == second, "an old answer ends no new session"
        session.ended(second)
        assert session.session_id is None
        await until(lambda: len(sessions.asked) == 3)


async def test_pauses_are_acknowledged_at_once_and_together() -> None:
    sessions = Sessions()
    async with keeping(sessions) as session:
        await until(lambda: sessions.calls)
        sessions.proceed.clear()
        session.acknowledge(PAUSES[0])
        await until(lambda: PAUSES[0] in sessions.acknowledged)
        session.acknowledge(PAUSES[1])
        session.acknowledge(PAUSES[2])
        sessions.proceed.set()
        await until(lambda: PAUSES[2] in sessions.acknowledged)
        assert [ids for _, ids in sessions.calls if ids] == [PAUSES[:1], PAUSES[1:]]


async def test_an_acknowledgement_that_failed_is_repeated_while_control_waits_for_it() -> None:
    sessions = Sessions()
    async with keeping(sessions) as session:
        await until(lambda: sessions.calls)
        sessions.failures = [AWAY]
        session.acknowledge(PAUSES[0])
        await until(lambda: sessions.acknowledged == [PAUSES[0]] * 2)
        sessions.failures = [AWAY]
        session.acknowledge(PAUSES[1])
        await until(lambda: PAUSES[1] in sessions.acknowledged)
        session.settled(PAUSES[1])
        calls = len(sessions.calls)
        await until(lambda: len(sessions.calls) > calls)
        assert sessions.calls[-1][1] == []
