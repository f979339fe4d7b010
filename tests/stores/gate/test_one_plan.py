"""The gate's connections plan a statement once, for any values: that plan goes by index through whatever grows."""

import re

import asyncpg
import pytest
from tests.postgres import Databases

from chassis.statements import Queries, load_queries
from gate.__main__ import connect
from gate.infrastructure.statements import queries

ROWS = 20_000
FILL = f"""
INSERT INTO organization (organization_id)
SELECT 'org-' || n FROM generate_series(0, 99) AS n;
INSERT INTO instance (
    organization_id, instance_id, display_name, provider, provider_account, connected, connection_at, version,
    created_at
)
SELECT 'org-' || n % 100, 'i-' || n % 1000, '', '', '', true, now(), 1, now()
FROM generate_series(0, 999) AS n;
INSERT INTO slot_count
SELECT 'org-' || n % 100, 'i-' || n % 1000, CASE WHEN n % 2000 < 1000 THEN 'HOUR' ELSE 'DAY' END, n / 2000, 1
FROM generate_series(0, {ROWS - 1}) AS n;
INSERT INTO recipient (organization_id, number_hash, recipient_id)
SELECT 'org-' || n % 100, decode(md5(CAST(n AS text)), 'hex'), gen_random_uuid()
FROM generate_series(0, {ROWS - 1}) AS n;
INSERT INTO intent (
    organization_id, intent_id, request_id, content_hash, campaign_id, asked_instance_id, category, reference,
    hold_if_paused, expire_time, number_hash, recipient_id, content_digest, sealed, traceparent, submitted_at, state,
    sequence, instance_id, decision_number, outcome, reason, decided_at, decision
)
SELECT
    organization_id, gen_random_uuid(), 'r-' || encode(number_hash, 'hex'), '', 'c', '', 'UTILITY', '', false, now(),
    number_hash, recipient_id, '', '', '', now(), 'QUEUED', 1, '', 1, 'QUEUED', '', now(), '[]'
FROM recipient;
INSERT INTO waiting
SELECT
    organization_id, intent_id, now(), CASE WHEN get_byte(number_hash, 0) < 128 THEN 'TIME' ELSE 'RESUME' END, 'c', '',
    now()
FROM intent;
INSERT INTO signal
SELECT 'org-' || n % 100, 's-' || n, 'i-1', 'SENT', 1, '', gen_random_uuid(), now(), ''
FROM generate_series(0, {ROWS - 1}) AS n;
INSERT INTO signal_count
SELECT 'org-' || n % 100, 'i-' || n % 1000, now() - n / 1000 * interval '1 minute', 'SENT', 1
FROM generate_series(0, {ROWS - 1}) AS n;
INSERT INTO mutation (organization_id, method, request_id, content_hash, answer)
SELECT 'org-' || n % 100, 'UpdatePolicy', 'r-' || n, '', ''
FROM generate_series(0, {ROWS - 1}) AS n;
INSERT INTO outbox (parcel_id, receiver, payload, items, created_at, lease_until)
SELECT gen_random_uuid(), 'audit', '', 1, now(), now()
FROM generate_series(0, {ROWS - 1}) AS n;
ANALYZE;
"""
GROWS = ("instance", "slot_count", "recipient", "intent", "waiting", "signal", "signal_count", "mutation", "outbox")
# What has no index for its question, and what makes the tables.
GOES_THROUGH_ALL = {"forget_mutations", "create_outbox"}
# Their tables are small: one row an organization, what the executor has still to be asked, what was refused.
JOINS_WHOLE_TABLES = {"note_backlogs", "settle_pending_cancels", "confirm_parcels_setting_aside", "resend_refused"}


async def plans(databases: Databases, package: Queries, fill: str) -> dict[str, str]:
    """Return each statement's plan for any values, as the gate's connections make it."""
    url = await databases.url("gate")
    administrator = await asyncpg.connect(
        databases.server.url(database=url.rpartition("/")[2]), server_settings={"search_path": "gate"}
    )
    await administrator.execute(fill)
    await administrator.close()
    database = connect(url)
    found = {}
    async with database.autocommit() as tx:
        for name in sorted(set(dir(package)) - GOES_THROUGH_ALL):
            query = getattr(package, name)
            values = f"({', '.join('NULL' for _ in query.binds)})" if query.binds else ""
            await tx.connection.execute(f"PREPARE asked AS {query.sql}")
            found[name] = "\n".join(row[0] for row in await tx.connection.fetch(f"EXPLAIN EXECUTE asked{values}"))
            await tx.connection.execute("DEALLOCATE asked")
    await database.close()
    return found


@pytest.mark.parametrize("package", [queries, load_queries("chassis")], ids=["gate", "outbox"])
@pytest.mark.parametrize("fill", ["VACUUM ANALYZE", FILL], ids=["made while empty", "made while full"])
async def test_no_statement_goes_through_a_table_that_grows(databases: Databases, package: Queries, fill: str) -> None:
    found = await plans(databases, package, fill)
    assert found
    assert not [(name, table) for name, plan in found.items() for table in GROWS if f"Seq Scan on {table} " in plan]


@pytest.mark.parametrize("package", [queries, load_queries("chassis")], ids=["gate", "outbox"])
async def test_no_statement_reads_a_whole_index_to_join_it(databases: Databases, package: Queries) -> None:
    found = await plans(databases, package, FILL)
    joins = {name for name, plan in found.items() if re.search(r"(Hash|Merge) (Semi )?Join", plan)}
    assert joins <= JOINS_WHOLE_TABLES
