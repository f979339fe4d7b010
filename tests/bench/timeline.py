"""Measure GetMessageIntentTimeline's reads on a large log: `python -m tests.bench.timeline 50000000`.

Fills an embedded PostgreSQL with that many events over 60 days in 10 weekly partitions (a million takes some 40 s and
0.8 GB), puts 300 lives among them, and prints how long each takes to be read, told and written, one at a time.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, StillClock, about, paused, record

from audit.application.explain import explain_intent
from audit.infrastructure.postgres_lives import PostgresLives
from audit.infrastructure.wire import timeline_response
from chassis.postgres_embedded import EmbeddedPostgres
from kernel.ids import uuid7_at

_LIVES = 300
_STEP = 500_000
_KINDS = ("QUEUED", "APPROVED", "HELD", "SEND_STARTED", "SENT", "DELIVERED", "READ")
_FILL = """
INSERT INTO audit.operational_event (
    event_id, organization_id, aggregate_type, aggregate_id, sequence, event_type, instance_id, campaign_id, reason,
    occurred_at, recorded_at, clamped, producer, trace_id, actor, body
)
SELECT
    CAST(substr(CAST(audit.event_id_floor(at) AS text), 1, 13) || substr(CAST(gen_random_uuid() AS text), 14) AS uuid),
    'org-' || number % 7, 'INTENT',
    substr(CAST(audit.event_id_floor(at) AS text), 1, 13) || lpad(to_hex(number / 6), 23, '0'),
    number % 6 + 1, 'MESSAGE_SENT', 'inst-' || number % 50, 'c-' || number % 11, '', at, at, false, 'executor', '', '',
    decode(repeat('ab', 300), 'hex')
FROM generate_series($1::bigint, $2::bigint) AS number,
    LATERAL (SELECT now() - interval '60 days' + number * interval '60 days' / $3::bigint AS at)
"""


async def measure(events: int, folder: Path) -> None:
    """Fill, ask and print."""
    server = EmbeddedPostgres(folder)
    await server.start()
    try:
        databases = Databases(server)
        url = await databases.url("audit")
        administrator = await asyncpg.connect(server.url(database=url.rpartition("/")[2]), command_timeout=900)
        await administrator.execute(
            "SET search_path = audit; SET synchronous_commit = off;"
            "SELECT ensure_partitions(now() - interval '63 days', 10)"
        )
        for first in range(1, events + 1, _STEP):
            await administrator.execute(_FILL, first, min(events, first + _STEP - 1), events)
            sys.stderr.write(f"{min(events, first + _STEP - 1):,} events\n")
        database = databases.connect(url)
        chance = random.Random(1)
        moments = [NOW - timedelta(seconds=chance.uniform(100, 59 * 86_400)) for _ in range(_LIVES)]
        intents = [(str(uuid7_at(moment)), moment) for moment in moments]
        for intent_id, created in intents:
            await record(database, *_life(intent_id, created))
        await administrator.execute("ANALYZE")
        await administrator.close()
        lives = PostgresLives(database)
        for label in ("first", "again"):
            taken = sorted([await _ask(lives, intent_id) for intent_id, _ in intents])
            middle, high = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
            sys.stdout.write(f"{events:,} events, {label}: p50 {middle:.2f} ms, p99 {high:.2f} ms\n")
        await database.close()
    finally:
        await server.stop()


def _life(intent_id: str, created: datetime) -> list[bytes]:
    """Make an intent's seven events and a pause that overlapped them."""
    own = [
        about(intent_id, number, f"MESSAGE_{kind}", at=created + timedelta(seconds=number))
        for number, kind in enumerate(_KINDS, start=1)
    ]
    around = [
        paused(intent_id[::-1], f"EXECUTION_{kind}", "CAMPAIGN", "black-friday", at=created + timedelta(seconds=after))
        for kind, after in (("PAUSED", 2), ("FENCED", 2.5), ("RESUMED", 3))
    ]
    return own + around


async def _ask(lives: PostgresLives, intent_id: str) -> float:
    """Return how many milliseconds one timeline takes."""
    begun = time.perf_counter()
    told = await explain_intent(organization_id="acme", intent_id=UUID(intent_id), lives=lives, clock=StillClock())
    timeline_response(intent_id, told).SerializeToString()
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    """Measure with as many events as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=int)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(parser.parse_args().events, Path(folder)))


if __name__ == "__main__":
    main()
