"""procrastinate as its documentation has it: psycopg, batch_defer, workers with 20 jobs at a time.

Run as a program it is one worker.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import procrastinate
from tests.bench.peers import Consumer

NAME = "procrastinate"
_CONCURRENCY = 20
_TASK = "noop"


class Procrastinate:
    """The enqueueing side."""

    name = NAME
    module = "tests.bench.peers_procrastinate"
    slow = True

    def __init__(self, url: str, app: procrastinate.App) -> None:
        self.url = url
        self._app = app
        self._defer = app.configure_task(_TASK)

    async def enqueue(self, job: str) -> object:
        return await self._defer.defer_async(job=job)

    async def enqueue_many(self, jobs: Sequence[str]) -> object:
        return await self._defer.batch_defer_async(*({"job": job} for job in jobs))

    async def has_unfinished(self) -> bool:
        row = await self._app.connector.execute_query_one_async(
            "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')) AS some"
        )
        return bool(row["some"])

    async def clear(self) -> None:
        await self._app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")


def _app(url: str, connections: int) -> procrastinate.App:
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=connections))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Procrastinate]:
    """Install the queue in the empty database at `url` or find it there."""
    async with _app(url, 10).open_async() as app:
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        yield Procrastinate(url, app)


async def consume(url: str, consumer: Consumer) -> None:
    """Run jobs until SIGTERM."""
    app = _app(url, _CONCURRENCY + 1)

    @app.task(name=_TASK)
    async def noop(job: str) -> None:
        await consumer.run_job(job)

    async with app.open_async():
        consumer.ready()
        try:
            await app.run_worker_async(concurrency=_CONCURRENCY)
        finally:
            consumer.close()


if __name__ == "__main__":
    asyncio.run(consume(os.environ["BENCH_DATABASE_URL"], Consumer.of_environment()))
