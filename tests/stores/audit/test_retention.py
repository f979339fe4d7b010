"""The log goes week by week after its time, never before it is sealed, and ingest does not wait for long."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, about, message, record

from audit.infrastructure.postgres_log import PostgresEventLog
from audit.infrastructure.retention import Retention
from chassis.database import Database, Query
from kernel.errors import Failure
from kernel.ids import uuid7

KEEP = timedelta(days=400)
BEFORE = NOW - KEEP
OLD = BEFORE - timedelta(days=30)
EVENTS = Query.of("events", "SELECT count(*) AS events FROM operational_event")
QUARANTINED = Query.of("quarantined", "SELECT count(*) AS events FROM quarantine")
SUMS = Query.of("sums", "SELECT count(*) AS events FROM event_sum")
IN_DEFAULT = Query.of(
    "in_default",
    "SELECT count(*) AS events FROM operational_event WHERE tableoid = CAST('operational_event_default' AS regclass)",
)
PARTITIONS = Query.of(
    "partitions",
    "SELECT count(*) AS events FROM pg_inherits WHERE inhparent = CAST('operational_event' AS regclass)",
)
SEAL = """
INSERT INTO audit.evidence_leaf (position, transaction_id, event_id, organization_id, hash)
SELECT row_number() OVER (ORDER BY xid8, event_id) - 1, CAST(CAST(xid8 AS text) AS bigint), event_id,
    organization_id, sha256(CAST('\\x00' AS bytea) || body)
FROM audit.operational_event
ORDER BY xid8, event_id
LIMIT $1
"""


@pytest.fixture
async def url(databases: Databases) -> str:
    """A log that was begun long ago: weeks of partitions, one old event in its own and one in the default one."""
    url = await databases.url("audit")
    await administer(databases, url, f"SELECT ensure_partitions('{OLD - timedelta(days=14):%Y-%m-%d}', 6)")
    database = databases.connect(url)
    await record(database, about(str(uuid7()), 1, "MESSAGE_SENT", at=OLD), at=OLD)
    await record(database, about(str(uuid7()), 1, "MESSAGE_SENT", at=OLD - timedelta(days=365)), at=OLD)
    await record(database, b"\xff", peer="gate", at=OLD)
    await record(database, about(str(uuid7()), 1, "MESSAGE_SENT"))
    await record(database, b"\xfe", peer="gate")
    return url


async def administer(databases: Databases, url: str, statement: str, *values: object) -> None:
    """Act as the role that nothing is denied to."""
    connection = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    try:
        await connection.execute("SET search_path = audit")
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def count(database: Database, query: Query) -> int:
    async with database.autocommit() as tx:
        row = await tx.fetch_one(query)
    assert row is not None
    return int(row.events)


async def let_go(database: Database, before: datetime = BEFORE) -> None:
    for step in Retention(database).steps.values():
        while await step(before):
            pass


async def test_what_is_older_goes_and_the_rest_stays(databases: Databases, url: str) -> None:
    database = databases.connect(url)
    await administer(databases, url, SEAL, 3)
    partitions = await count(database, PARTITIONS)
    assert (await count(database, EVENTS), await count(database, IN_DEFAULT)) == (3, 1)
    await let_go(database, before=OLD - timedelta(days=400))
    assert (await count(database, EVENTS), await count(database, PARTITIONS)) == (3, partitions)
    await let_go(database)
    assert (await count(database, EVENTS), await count(database, IN_DEFAULT)) == (1, 0)
    assert await count(database, QUARANTINED) == 1
    assert await count(database, SUMS) == 4  # of each length, of the event that stays
    assert await count(database, PARTITIONS) == partitions - 6
    await record(database, about(str(uuid7()), 1, "MESSAGE_SENT", at=OLD), at=OLD)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await administer(databases, url, "DELETE FROM operational_event_default")


@pytest.mark.parametrize(("sealed", "left"), [(0, 3), (1, 2), (2, 1), (3, 1)])
async def test_nothing_goes_before_it_is_sealed(databases: Databases, url: str, sealed: int, left: int) -> None:
    await administer(databases, url, SEAL, sealed)
    database = databases.connect(url)
    await let_go(database)
    assert await count(database, EVENTS) == left  # the first is in a week of its own, the second in the default one


async def test_a_long_read_is_not_waited_for_and_ingest_goes_on(databases: Databases, url: str) -> None:
    await administer(databases, url, SEAL, 3)
    database = databases.connect(url)
    async with database.transaction() as reader:
        await reader.fetch(EVENTS)  # holds every partition
        dropping = asyncio.create_task(Retention(database).partition(BEFORE))
        async with asyncio.timeout(8):
            await record(database, about(str(uuid7()), 1, "MESSAGE_SENT"))
        with pytest.raises(Failure):
            await dropping
    assert await Retention(database).partition(BEFORE)


async def test_weeks_in_which_audit_was_off_get_partitions_of_their_own(
    service_database: Callable[[str], Awaitable[Database]], databases: Databases
) -> None:
    url = await databases.url("audit")
    old = NOW - timedelta(days=120)
    await administer(
        databases,
        url,
        "DO $$ DECLARE part text; BEGIN FOR part IN SELECT relname FROM pg_class WHERE relkind = 'r'"
        " AND relname ~ '^operational_event_[0-9]{8}$' LOOP EXECUTE format('DROP TABLE %I', part); END LOOP; END $$",
    )
    await administer(databases, url, f"SELECT ensure_partitions('{old:%Y-%m-%d}', 3)")
    database = databases.connect(url)
    log = PostgresEventLog(database)
    made = await log.ensure_partitions(weeks=8, keep=KEEP)
    assert made >= (120 - 21) // 7 + 8
    waited = [message("MESSAGE_SENT", at=NOW - timedelta(days=days)).SerializeToString() for days in range(0, 119, 5)]
    await record(database, *waited)
    assert (await count(database, EVENTS), await count(database, IN_DEFAULT)) == (len(waited), 0)
    assert await log.ensure_partitions(weeks=8, keep=KEEP) == 0
