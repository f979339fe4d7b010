"""pgqueuer as its documentation has it: asyncpg, many jobs an enqueue, batches of 100, uvloop.

Run as a program it is one consumer.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from tests.bench.peers import Consumer

NAME = "pgqueuer"
_BATCH = 100
_ENTRYPOINT = "noop"


class Pgqueuer:
    """The enqueueing side."""

    name = NAME
    module = "tests.bench.peers_pgqueuer"
    slow = False

    def __init__(self, url: str, pool: asyncpg.Pool) -> None:
        self.url = url
        self._pool = pool
        self._queries = Queries(AsyncpgPoolDriver(pool))

    async def enqueue(self, job: str) -> object:
        return await self._queries.enqueue(_ENTRYPOINT, job.encode())

    async def enqueue_many(self, jobs: Sequence[str]) -> object:
        return await self._queries.enqueue([_ENTRYPOINT] * len(jobs), [job.encode() for job in jobs], [0] * len(jobs))

    async def has_unfinished(self) -> bool:
        return bool(await self._pool.fetchval("SELECT EXISTS (SELECT FROM pgqueuer)"))

    async def clear(self) -> None:
        await self._pool.execute("TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pgqueuer]:
    """Install the queue in the empty database at `url` or find it there."""
    async with asyncpg.create_pool(url, min_size=4, max_size=10) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        if not await queries.has_table("pgqueuer"):
            await queries.install()
        yield Pgqueuer(url, pool)


async def consume(url: str, consumer: Consumer) -> None:
    """Run jobs until SIGTERM."""
    connection = await asyncpg.connect(url)
    queue = PgQueuer(AsyncpgDriver(connection))

    @queue.entrypoint(_ENTRYPOINT)
    async def noop(job: Job) -> None:
        await consumer.run_job(job.payload or b"-")

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
    consumer.ready()
    if consumer.places:  # pgqueuer wants batches of at most half of them
        await queue.run(batch_size=consumer.places // 2, max_concurrent_tasks=consumer.places)
    else:
        await queue.run(batch_size=_BATCH)
    consumer.close()
    await connection.close()


if __name__ == "__main__":
    uvloop.run(consume(os.environ["BENCH_DATABASE_URL"], Consumer.of_environment()))
