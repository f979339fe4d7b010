"""The heartbeat: proof, at most 250 ms old, that the database takes writes. Knows no check that depends on it.

Age counts from before a write began. A second lane begins a write of its own when the first one's is slow, so that a
busy machine or disk delays grants by milliseconds and does not refuse them.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from control.application.ports import Heartbeats
from kernel.clock import Clock
from kernel.errors import Failure, Kind

LIMIT_SECONDS = 0.25
_BEGIN_AFTER = (0.1, 0.14)  # by lane: the age of the newest beat at which the lane writes another
_WRITE_SECONDS = 2.0
_RETRY_SECONDS = 0.03
_GRACE_SECONDS = 0.25


class Heart:
    """Beats, and says how long ago the newest beat began."""

    def __init__(self, *, heartbeats: Heartbeats, clock: Clock, failed: Callable[[Failure], None]) -> None:
        self._heartbeats = heartbeats
        self._clock = clock
        self._failed = failed
        self._started = 0
        self._number = 0
        self._began = float("-inf")
        self._beaten = asyncio.Event()

    @property
    def number(self) -> int:
        """The newest beat that was acknowledged; whoever reads the same database after this sees it."""
        return self._number

    @property
    def is_fresh(self) -> bool:
        """Whether permits may be granted."""
        return self._age() <= LIMIT_SECONDS

    async def demand_fresh(self) -> None:
        """Return when it is fresh; raise Failure UNAVAILABLE if no beat comes for a while."""
        if self.is_fresh:
            return
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                while not self.is_fresh:
                    self._beaten.clear()
                    await self._beaten.wait()
        except TimeoutError:
            raise stale() from None

    async def run(self, stop: asyncio.Event) -> None:
        """Beat until `stop`."""
        async with asyncio.TaskGroup() as group:
            lanes = [
                group.create_task(self._beat_in(lane, after), name=f"control.heartbeat.{lane}")
                for lane, after in enumerate(_BEGIN_AFTER)
            ]
            await stop.wait()
            for lane in lanes:
                lane.cancel()

    async def _beat_in(self, lane: int, after: float) -> None:
        while True:
            if (early := after - self._age()) > 0:
                await self._clock.sleep(early)
                continue
            self._started += 1
            number, began = self._started, self._clock.boottime()
            try:
                async with asyncio.timeout(_WRITE_SECONDS):
                    await self._heartbeats.beat(number, lane)
            except (Failure, TimeoutError) as error:
                self._failed(error if isinstance(error, Failure) else stale())
                await self._clock.sleep(_RETRY_SECONDS)
                continue
            self._number = max(self._number, number)
            self._began = max(self._began, began)
            self._beaten.set()

    def _age(self) -> float:
        return self._clock.boottime() - self._began


def stale() -> Failure:
    """Say that no permit can be given."""
    return Failure(
        Kind.UNAVAILABLE,
        "DATABASE_UNAVAILABLE",
        "the database has taken no write for too long to grant permits; try again",
        retry_after=timedelta(milliseconds=100),
    )
