"""A simulated database server: statements take time at both ends, connections break, it restarts or takes no writes.

What a statement does happens at one moment inside it, whether or not the client lives to hear of it. Knows no table.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from tests.simulation.loop import Process, VirtualLoop, current_process

from kernel.errors import Failure, Kind

T = TypeVar("T")
_USUAL = 0.0008
_LOCK_POLL = 0.004
_LOCK_SECONDS = 2.0
IDLE_SECONDS = 1.0
LINK_SECONDS = 5.0


class Locked(Exception):
    """Raised by a statement's effect that must wait for somebody's lock; it is tried again."""


class Session:
    """One open transaction: what to undo if it ends without a commit."""

    def __init__(self, client: Process) -> None:
        self.client = client
        self.undo: list[Callable[[], None]] = []
        self.on_end: list[Callable[[], None]] = []
        self.is_over = False
        self.active_at = 0.0

    def end(self, *, commit: bool) -> None:
        """Commit or roll back; locks are gone afterwards."""
        if self.is_over:
            return
        self.is_over = True
        if not commit:
            for step in reversed(self.undo):
                step()
        for step in self.on_end:
            step()


class Server:
    """Runs effects at moments in time."""

    def __init__(self, name: str, loop: VirtualLoop, random: Random) -> None:
        self.name = name
        self.is_up = True
        self.is_writable = True
        self.slow_share = 0.0
        self.longest = 0.25
        self.slow_changes = True
        self.break_share = 0.0
        self.unlinked: dict[Process, None] = {}
        self.broken_before = 0
        self.broken_after = 0
        self._loop = loop
        self._random = random
        self._era = 0
        self._open: dict[Session, None] = {}
        self._unflushed: list[Callable[[], None]] = []

    def session(self) -> Session:
        """Open a transaction for the process that runs."""
        session = Session(current_process())
        self._open[session] = None
        session.on_end.append(lambda: self._open.pop(session, None) and None)
        return session

    async def run(self, effect: Callable[[], T], *, writes: bool = False, session: Session | None = None) -> T:
        """Have `effect` happen and return its result. Raises Failure if the connection breaks, before or after it."""
        answer: asyncio.Future[T] = self._loop.create_future()
        client = current_process()
        asked = (effect, writes, session, answer, client, self._era, self._loop.time() + _LOCK_SECONDS)
        delay = self._delay(writes or session is not None)
        self._loop.call_later(delay, self._perform, *asked, context=self._loop.world.context)
        return await answer

    def restart(self, *, down_seconds: float) -> None:
        """Break every connection, forget what was not flushed, and be away for a while."""
        self._era += 1
        self.is_up = False
        self.disconnect(None)
        for step in reversed(self._unflushed):
            step()
        self._unflushed.clear()
        self._loop.call_later(down_seconds, self._come_back, self._era, context=self._loop.world.context)

    def disconnect(self, client: Process | None) -> None:
        """Roll back what a client (or everyone) had open."""
        for session in list(self._open):
            if client is None or session.client is client:
                session.end(commit=False)

    def flushed(self) -> None:
        """Note a commit that waited for the disk: everything before it is safe too."""
        self._unflushed.clear()

    def unflushed(self, undo: Callable[[], None]) -> None:
        """Note a commit that did not wait for the disk."""
        self._unflushed.append(undo)

    def _come_back(self, era: int) -> None:
        if era == self._era:
            self.is_up = True

    def _perform(
        self,
        effect: Callable[[], Any],
        writes: bool,
        session: Session | None,
        answer: "asyncio.Future[Any]",
        client: Process,
        era: int,
        patience: float,
    ) -> None:
        if session is not None:
            session.active_at = self._loop.time()
        if client in self.unlinked:
            self._settle_later(answer, away("the connection hangs"), None, self._era, LINK_SECONDS)
            return
        gone = era != self._era or not self.is_up or (session is not None and session.is_over)
        if gone or (writes and not self.is_writable):
            self._settle_later(answer, away("it cannot" if not gone else "gone"), None, self._era, self._delay())
            return
        fails = self.break_share if writes else 0.0
        if fails and self._random.random() < fails:
            self.broken_before += 1
            if session is not None:
                session.end(commit=False)
            self._settle_later(answer, away("the connection broke"), None, self._era, self._delay())
            return
        try:
            result = effect()
        except Locked:
            if self._loop.time() < patience:
                again = (effect, writes, session, answer, client, era, patience)
                self._loop.call_later(_LOCK_POLL, self._perform, *again, context=self._loop.world.context)
            else:
                self._settle_later(answer, away("a lock is not given"), None, self._era, 0.0)
            return
        except Failure as failure:
            self._settle_later(answer, failure, None, self._era, self._delay())
            return
        if fails and self._random.random() < fails:
            self.broken_after += 1
            self._settle_later(answer, away("the connection broke"), None, self._era, self._delay())
            return
        self._settle_later(answer, None, result, self._era, self._delay(writes or session is not None))

    def _settle_later(
        self, answer: "asyncio.Future[Any]", failure: Failure | None, result: object, era: int, seconds: float
    ) -> None:
        self._loop.call_later(seconds, self._settle, answer, failure, result, era, context=self._loop.world.context)

    def _settle(self, answer: "asyncio.Future[Any]", failure: Failure | None, result: object, era: int) -> None:
        if answer.done():
            return
        if failure is None and era != self._era:
            failure = away("the connection broke")
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(result)

    def _delay(self, changes: bool = True) -> float:
        if (self.slow_changes or not changes) and self._random.random() < self.slow_share:
            return self._random.uniform(0.0, self.longest)
        return self._random.expovariate(1.0 / _USUAL)


def away(why: str) -> Failure:
    """Return what a client of a database sees when it cannot be used."""
    return Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", why)
