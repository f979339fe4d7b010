"""The loop of the release: sleeps until the next intent comes due, or until something wakes it. Decides nothing."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from datetime import datetime

from gate.application.release import Released, Waiting
from kernel.clock import Clock
from kernel.errors import Failure

# Another replica's intents and missed events are found this late at the latest.
_LOOK_AGAIN = 5.0
_AFTER_FAILURE = 1.0


class ReleaseLoop:
    """Runs rounds of release and unparking."""

    def __init__(
        self,
        *,
        release: Callable[[str], Awaitable[Released]],
        unpark: Callable[[], Awaitable[float]],
        waiting: Waiting,
        clock: Clock,
        report: Callable[[Failure], None],
    ) -> None:
        self._release = release
        self._unpark = unpark
        self._waiting = waiting
        self._clock = clock
        self._report = report
        self._woken = asyncio.Event()
        self._sleeps_until: datetime | None = None
        self._unpark_at = 0.0
        self._after = ""

    def wake(self, due_at: datetime | None) -> None:
        """Tell that something is due at `due_at`; without a time, that an event came that others wait for."""
        if due_at is None:
            self._unpark_at = 0.0
            self._woken.set()
        elif self._sleeps_until is None or due_at < self._sleeps_until:
            self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Release until `stop`."""
        stopping = asyncio.create_task(self._wake_at(stop), name="release.stop")
        try:
            while not stop.is_set():
                try:
                    pause = await self._round()
                except Failure as failure:
                    self._report(failure)
                    pause = _AFTER_FAILURE
                await self._rest(pause)
        finally:
            stopping.cancel()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    async def _round(self) -> float:
        """Do one round and return for how long to rest."""
        self._woken.clear()
        self._sleeps_until = None
        if not self._after and self._clock.boottime() >= self._unpark_at:
            # Every organization had its turn since the last share was freed: none is kept waiting by what is freed.
            self._unpark_at = math.inf
            try:
                again = await self._unpark()
            except Failure:
                self._unpark_at = 0.0
                raise
            self._unpark_at = min(self._unpark_at, self._clock.boottime() + again)
        released = await self._release(self._after)
        self._after = released.after
        if released.control_down:
            self._unpark_at = min(self._unpark_at, self._clock.boottime() + _AFTER_FAILURE)
        if released.more:
            return 0.0
        next_due = await self._waiting.next_due()
        pause = min(_LOOK_AGAIN, self._unpark_at - self._clock.boottime())
        if next_due is not None:
            self._sleeps_until = next_due
            pause = min(pause, (next_due - self._clock.now()).total_seconds())
        return max(0.0, pause)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
