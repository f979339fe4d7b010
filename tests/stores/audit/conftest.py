"""A log that was filled as real ones are."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, record
from tests.stores.audit.recounting import random_event

from audit.infrastructure.postgres_log import PostgresEventLog
from chassis.database import Database


@pytest.fixture
async def filled(databases: Databases) -> Database:
    """A log that three replicas filled at once with duplicates, late, reordered and future events.

    What a fourth process recorded last is not in the sums yet, but for its first batch.
    """
    url = await databases.url("audit")
    replicas = [databases.connect(url, pool_size=2) for _ in range(3)]
    chance = random.Random(20260302)
    ages = [chance.choice([30, 300, 3_600, 80_000, 2_600_000, 3_000_000]) for _ in range(1_200)]
    events = [random_event(chance, NOW - timedelta(seconds=chance.uniform(-20, age))) for age in ages]
    deliveries = [chance.sample(events, chance.choice([3, 40, 150])) for _ in range(30)]
    deliveries += [events[start : start + 100] for start in range(0, len(events), 100)]
    chance.shuffle(deliveries)

    async def feed(database: Database, mine: Sequence[list[bytes]]) -> None:
        log = PostgresEventLog(database)
        for batch in mine:
            await record(database, *batch, peer="executor", log=log)

    await asyncio.gather(*(feed(replica, deliveries[number::3]) for number, replica in enumerate(replicas)))
    newest = [random_event(chance, NOW - timedelta(seconds=chance.uniform(0, 5_000))) for _ in range(160)]
    await feed(replicas[0], [newest[start : start + 40] for start in range(0, 160, 40)])
    return replicas[0]
