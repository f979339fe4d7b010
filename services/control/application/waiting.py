"""Wait for an event or for a time, whichever comes first, on the injected clock. Knows no loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from kernel.clock import Clock
from kernel.errors import Failure, Kind


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Give up on the database after `seconds`: Failure UNAVAILABLE. What it was doing may have been done."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Failure(
            Kind.UNAVAILABLE,
            "DATABASE_UNAVAILABLE",
            "the database did not answer in time",
            retry_after=timedelta(milliseconds=100),
        ) from None


async def wait_for_any(*events: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Return when one of `events` is set or `seconds` have passed."""
    if seconds <= 0 or any(event.is_set() for event in events):
        await asyncio.sleep(0)
        return
    waits: list[asyncio.Task[object]] = [asyncio.create_task(clock.sleep(seconds))]
    waits += [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


class Hints:
    """Wakes loops when something may have changed. A hint may be lost or come for nothing: loops look anyway."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def listener(self) -> asyncio.Event:
        """Return an event that every hint sets; its owner clears it."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def give(self) -> None:
        """Wake everyone."""
        for event in self._listeners:
            event.set()
