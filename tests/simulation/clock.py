"""The clocks of one simulated process: a boot-time clock with a rate of its own, and a wall clock that may be wrong.

Knows the loop's true time and nobody who asks.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

LARGEST_DRIFT = 0.01
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class SimulatedClock:
    """`kernel.clock.Clock` whose seconds are up to 1 % too long or too short."""

    def __init__(self, loop: asyncio.AbstractEventLoop, random: Random) -> None:
        self._loop = loop
        self._rate = 1.0 + random.uniform(-LARGEST_DRIFT, LARGEST_DRIFT)
        self._since = random.uniform(0.0, 1e6)
        self._wall_offset = random.uniform(-2.0, 2.0)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time() * self._rate + self._wall_offset)

    def boottime(self) -> float:
        return self._since + self._loop.time() * self._rate

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._rate)

    def step(self, seconds: float) -> None:
        """Set the wall clock."""
        self._wall_offset += seconds
