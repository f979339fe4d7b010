"""Make calls, so many at a time or so many a second. Knows nothing of what is called."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from tests.bench.samples import Unfinished

Item = TypeVar("Item")
_LIMIT_SECONDS = 120.0


async def in_flight(items: Iterable[Item], call: Callable[[Item], Awaitable[object]], *, limit: int) -> None:
    """Make one call an item, at most `limit` at a time."""
    remaining = iter(items)

    async def work() -> None:
        for item in remaining:
            await call(item)

    async with asyncio.timeout(_LIMIT_SECONDS), asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(work())


async def at_rate(items: Iterable[Item], call: Callable[[Item], Awaitable[object]], *, per_second: float) -> None:
    """Begin one call an item at a fixed rate, whether those before have been answered or not."""
    now = asyncio.get_running_loop().time
    start = now()
    async with asyncio.timeout(_LIMIT_SECONDS), asyncio.TaskGroup() as group:
        for number, item in enumerate(items):
            await asyncio.sleep(max(0.0, start + number / per_second - now()))
            group.create_task(call(item))


async def looks(waiting_for: str, *, every: float) -> AsyncIterator[None]:
    """Yield now and then, for somebody who waits. Raises Unfinished after two minutes."""
    now = asyncio.get_running_loop().time
    end = now() + _LIMIT_SECONDS
    while now() < end:
        yield
        await asyncio.sleep(every)
    raise Unfinished(f"{waiting_for}: not within {_LIMIT_SECONDS:.0f} s")
