"""Executors' sessions: who may be given permits, and whose acknowledgement a fence waits for. Knows no call, no stream.

A session ends by its lease, on the database's clock, never because something was disconnected: the mark is committed,
and the row goes a whole W after this process first saw it, when no permit of the session can still be used.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import timedelta

from control.application.ports import SessionStore
from control.application.waiting import wait_for_any
from control.domain.fence import FenceRule
from kernel.clock import Clock
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, SessionId

LEASE = timedelta(seconds=3)
_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 0.1


class Sessions:
    """Registers, extends and ends sessions. `changed` is told at once of what a fence may have waited for."""

    def __init__(
        self,
        *,
        store: SessionStore,
        rule: FenceRule,
        clock: Clock,
        changed: Callable[[], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self._store = store
        self._rule = rule
        self._clock = clock
        self._changed = changed
        self._failed = failed
        self._over_at: dict[SessionId, float] = {}

    async def register(self, session_id: SessionId, executor: str) -> None:
        """Make a session known for good; again is the same. Raises Failure SESSION_ENDED if it is over."""
        if not await self._store.register(session_id, executor, LEASE):
            raise session_ended()

    async def acknowledge(self, session_id: SessionId, control_ids: Collection[ControlId]) -> None:
        """Extend a session and keep which pauses it obeys. Raises Failure SESSION_ENDED if it is over or unknown."""
        added = await self._store.acknowledge(session_id, control_ids, LEASE)
        if added is None:
            raise session_ended()
        if added:
            self._changed()

    async def end(self, session_id: SessionId) -> None:
        """Forget a session whose executor promises to begin nothing any more."""
        await self._store.end(session_id)
        self._changed()

    async def run(self, stop: asyncio.Event) -> None:
        """End the sessions whose lease is over, until `stop`. While this is down they only end later."""
        while not stop.is_set():
            try:
                seconds = await self._end_lapsed()
            except Failure as failure:
                self._failed(failure)
                seconds = _RETRY_SECONDS
            await wait_for_any(stop, clock=self._clock, seconds=seconds)

    async def _end_lapsed(self) -> float:
        """Do what is due and return the seconds until the next look."""
        endings = await self._store.endings()
        if endings.lapsed:
            await self._store.mark_lapsed()
            endings = await self._store.endings()
        now = self._clock.boottime()  # after the mark was seen: whatever was granted before it was granted before now
        self._over_at = {
            session_id: self._over_at.get(session_id, now + self._rule.wait(ttl_max))
            for session_id, ttl_max in endings.waits.items()
        }
        if over := [session_id for session_id, at in self._over_at.items() if at <= now]:
            await self._store.forget(over)
            self._changed()
        waits = [at - now for session_id, at in self._over_at.items() if session_id not in over]
        return min([_LOOK_SECONDS, *waits])


def session_ended() -> Failure:
    """Say that the executor must register anew."""
    return Failure(Kind.FAILED_PRECONDITION, "SESSION_ENDED", "the session is over or unknown; register another one")
