"""The sample service `letterbox`, a post office that receives its letters, and outboxes that run while a test does."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.stores.outbox.post_office import PostOffice

from chassis.database import Database
from chassis.outbox import Outbox

sys.path.insert(0, str(Path(__file__).parent))  # the sample service is imported by its name, as services are


@pytest.fixture
async def database(service_database: Callable[[str], Awaitable[Database]]) -> Database:
    return await service_database("letterbox")


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
async def start() -> AsyncIterator[Callable[[Outbox], asyncio.Event]]:
    """`stop = start(outbox)` runs an outbox until its event is set or the test ends."""
    async with AsyncExitStack() as stack:

        def start(outbox: Outbox) -> asyncio.Event:
            stop = asyncio.Event()
            running = asyncio.create_task(outbox.run(stop))

            async def end() -> None:
                stop.set()
                async with asyncio.timeout(10):
                    await running

            stack.push_async_callback(end)
            return stop

        yield start
