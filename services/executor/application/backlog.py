"""Measure what waits now and then, however much that is. Knows no store."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol

from kernel.clock import Clock

_EVERY_SECONDS = 10.0
_SHARE = 1 / 200


class Measure(Protocol):
    """Record how much waits for each organization that was not measured for `every_seconds`."""

    def __call__(self, *, every_seconds: float, at: datetime) -> Awaitable[None]: ...


class Backlog:
    """Measures, and then not again until this took no more than its share of the time."""

    def __init__(self, measure: Measure, clock: Clock) -> None:
        self._measure = measure
        self._clock = clock
        self._next_at = float("-inf")

    async def measure(self) -> None:
        """Measure if it is time."""
        began = self._clock.boottime()
        if began < self._next_at:
            return
        await self._measure(every_seconds=_EVERY_SECONDS, at=self._clock.now())
        ended = self._clock.boottime()
        self._next_at = ended + (ended - began) / _SHARE
