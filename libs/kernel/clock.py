"""Time as a parameter: the wall clock for display, the boot-time clock for permits. Knows nothing of schedules."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Give the time and wait for it; tests and the simulation bring their own."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC. For display and for judging callers' timestamps only."""
        ...

    def boottime(self) -> float:
        """Return seconds since boot. Never steps, and counts the time a machine was suspended."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
