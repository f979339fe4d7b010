"""See to it that the log always has partitions for the weeks to come. Knows no SQL."""

import asyncio
from typing import Protocol

import structlog

from kernel.errors import Failure

EVERY_SECONDS = 3600.0
AFTER_FAILURE_SECONDS = 30.0

log = structlog.get_logger()


class EnsurePartitions(Protocol):
    """Make what is missing; return how many were made."""

    async def __call__(self, *, weeks: int) -> int: ...


async def keep_partitions_ahead(stop: asyncio.Event, *, ensure: EnsurePartitions, weeks: int) -> None:
    """Make partitions now and every hour until `stop`; meanwhile the default one takes what has none."""
    while not stop.is_set():
        pause = EVERY_SECONDS
        try:
            if made := await ensure(weeks=weeks):
                log.info("partitions.made", partitions=made)
        except Failure as failure:
            log.warning("partitions.postponed", reason=failure.reason, problem=failure.message)
            pause = AFTER_FAILURE_SECONDS
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
        except TimeoutError:
            continue
