"""Be known to control: register, extend the session, acknowledge pauses, and end it. Knows no job and no permit.

A pause is acknowledged only after it was revoked here; who calls `acknowledge` sees to that.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from executor.application.ports import Sessions
from executor.application.signals import Wake
from kernel.errors import Failure

SESSION_ENDED = "SESSION_ENDED"
_RENEW_SECONDS = 1.0
_RETRY_SECONDS = 0.1
_BATCH = 1_000

log = structlog.get_logger("executor")


class Session:
    """This process's session with control, and the pauses it still has to acknowledge."""

    def __init__(
        self, *, control: Sessions, executor: str, new_id: Callable[[], UUID], registered: Callable[[], None]
    ) -> None:
        self._control = control
        self._executor = executor
        self._new_id = new_id
        self._registered = registered
        self._next_id = new_id()
        self._owed: dict[UUID, None] = {}
        self._wake = Wake()
        self._is_failing = False
        self.session_id: UUID | None = None

    def acknowledge(self, control_id: UUID) -> None:
        """Say soon that the pause is obeyed: no send that it covers begins any more with an older permit."""
        self._owed[control_id] = None
        self._wake.ring()

    def settled(self, control_id: UUID) -> None:
        """Note that control waits no longer for a pause: it is fenced, or over."""
        self._owed.pop(control_id, None)

    def ended(self, session_id: UUID) -> None:
        """Note that control has ended a session; another one is registered at once."""
        if session_id == self.session_id:
            log.warning("executor.session_ended", session_id=str(session_id))
            self.session_id = None
            self._next_id = self._new_id()
            self._wake.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a session until `stop`, which is to be set when no send begins any more; then end it."""
        ringer = asyncio.create_task(self._wake.ring_at(stop), name="session.stop")
        try:
            while not stop.is_set():
                self._wake.quiet()
                await self._wake.wait(await self._keep())
        finally:
            ringer.cancel()
        await self._end()

    async def _keep(self) -> float:
        """Do what is due and return the seconds until the next is."""
        try:
            seconds = await self._extend(self.session_id or await self._register())
        except Failure as failure:
            if not self._is_failing:
                log.warning("executor.session_not_kept", reason=failure.reason)
            self._is_failing = True
            return _RETRY_SECONDS
        self._is_failing = False
        return seconds

    async def _register(self) -> UUID:
        """Register; an id whose answer was lost is tried again, so that it leaves no session that nobody extends."""
        session_id = self._next_id
        try:
            await self._control.register(session_id, self._executor)
        except Failure as failure:
            if failure.reason == SESSION_ENDED:
                self._next_id = self._new_id()
            raise
        self.session_id = session_id
        log.info("executor.session_registered", session_id=str(session_id))
        self._registered()
        return session_id

    async def _extend(self, session_id: UUID) -> float:
        owed = list(self._owed)[:_BATCH]
        try:
            await self._control.acknowledge(session_id, owed)
        except Failure as failure:
            if failure.reason == SESSION_ENDED:
                self.ended(session_id)
                return 0.0
            raise
        for control_id in owed:
            self.settled(control_id)
        return 0.0 if self._owed else _RENEW_SECONDS

    async def _end(self) -> None:
        if self.session_id is None:
            return
        try:
            await self._control.end(self.session_id)
        except Failure as failure:
            log.warning("executor.session_not_ended", reason=failure.reason)
        self.session_id = None
