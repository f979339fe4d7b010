"""The outbox on a real PostgreSQL."""

import asyncio
import json

from chassis.database import Query
from chassis.outbox import Outbox, Receiver

COUNT = Query.of("count", "SELECT count(*) AS n FROM outbox")


def letters(*names):
    return "".join(json.dumps(n) + "\n" for n in names).encode()


def split(payload):
    return [(json.loads(l), l + b"\n") for l in payload.splitlines()]


async def test_first(service_database):
    db = await service_database("letterbox")
    got = asyncio.Queue()

    async def deliver(payload):
        got.put_nowait([i for i, _ in split(payload)])
        return []

    outbox = Outbox(db, [Receiver(name="post", deliver=deliver, split=split)])
    stop = asyncio.Event()
    task = asyncio.create_task(outbox.run(stop))
    async with outbox.transaction() as tx:
        tx.post("post", letters("a", "b"), 2)
    assert await asyncio.wait_for(got.get(), 1) == ["a", "b"]
    assert await outbox.flush()
    async with db.transaction() as tx:
        assert (await tx.fetch_one(COUNT)).n == 0
    stop.set()
    await task
