"""The log can be added to and nothing else, by the service and by the owner alike."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import about, record

from chassis.database import Database
from kernel.ids import uuid7

CHANGES = {
    "update": "UPDATE audit.operational_event SET reason = 'x'",
    "delete": "DELETE FROM audit.operational_event",
    "truncate": "TRUNCATE audit.operational_event",
}
PARTITIONS = """
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit.operational_event'::regclass ORDER BY 1
"""


async def as_administrator(databases: Databases, url: str) -> asyncpg.Connection:
    """Connect to the same database as the one role that nothing is denied to."""
    return await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_the_service_has_no_right_to_change_the_log(databases: Databases, change: str) -> None:
    url = await databases.url("audit")
    await record(databases.connect(url), about(str(uuid7()), 1, "MESSAGE_SENT"))
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.execute(change)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ["postgres", "whatlead_audit_owner"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_triggers_refuse_the_owner_too(databases: Databases, change: str, role: str) -> None:
    url = await databases.url("audit")
    await record(databases.connect(url), about(str(uuid7()), 1, "MESSAGE_SENT"))
    connection = await as_administrator(databases, url)
    try:
        await connection.execute(f"SET ROLE {role}")
        partitions = [row[0] for row in await connection.fetch(PARTITIONS)]
        filled = [one for one in partitions if await connection.fetchval(f"SELECT count(*) FROM {one}")]
        assert len(partitions) > 8
        assert len(filled) == 1
        for table in ("audit.operational_event", *filled):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(change.replace("audit.operational_event", table))
        for table in partitions:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(f"TRUNCATE {table}")
        assert await connection.fetchval("SELECT count(*) FROM audit.operational_event") == 1
    finally:
        await connection.close()


async def test_triggers_hold_for_replicated_changes_too(databases: Databases) -> None:
    url = await databases.url("audit")
    await record(databases.connect(url), about(str(uuid7()), 1, "MESSAGE_SENT"))
    connection = await as_administrator(databases, url)
    try:
        await connection.execute("SET session_replication_role = replica")
        truncations = [f"TRUNCATE {partition}" for (partition,) in await connection.fetch(PARTITIONS)]
        for change in (*CHANGES.values(), *truncations):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(change)
    finally:
        await connection.close()


async def test_the_service_cannot_reach_a_partition_past_the_log(databases: Databases) -> None:
    url = await databases.url("audit")
    connection = await asyncpg.connect(url)
    try:
        for (partition,) in await connection.fetch(PARTITIONS):
            for change in (
                f"INSERT INTO {partition} DEFAULT VALUES",
                f"DELETE FROM {partition}",
                f"DROP TABLE {partition}",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(change)
    finally:
        await connection.close()


async def test_a_quarantined_item_cannot_be_removed(service_database: Callable[[str], Awaitable[Database]]) -> None:
    database = await service_database("audit")
    await record(database, b"\xff", peer="gate")
    async with database.transaction() as tx:
        with pytest.raises(Exception, match="permission denied"):
            await tx.connection.execute("DELETE FROM quarantine")
