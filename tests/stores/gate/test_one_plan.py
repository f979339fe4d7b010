"""The gate's connections plan a statement once, for any values: that plan goes by index through whatever grows."""

import asyncpg
import pytest
from tests.postgres import Databases

from chassis.statements import Queries, load_queries
from gate.__main__ import PLANS
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
# These look at all there is on purpose: one counts it, one seeks by an age that has no index, one makes the tables.
READS_ALL = {"measure_outbox", "forget_mutations", "create_outbox"}


@pytest.mark.parametrize("package", [queries, load_queries("chassis")], ids=["gate", "outbox"])
async def test_the_plan_for_any_values_goes_by_index(databases: Databases, package: Queries) -> None:
    url = await databases.url("gate")
    connection = await asyncpg.connect(
        databases.server.url(database=url.rpartition("/")[2]),
        statement_cache_size=0,
        server_settings={"search_path": "gate", "plan_cache_mode": PLANS},
    )
    through_tables = []
    try:
        await connection.execute(FILL)
        for name in sorted(set(dir(package)) - READS_ALL):
            query = getattr(package, name)
            await connection.execute(f"PREPARE asked AS {query.sql}")
            values = f"({', '.join('NULL' for _ in query.binds)})" if query.binds else ""
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked{values}"))
            await connection.execute("DEALLOCATE asked")
            through_tables += [(name, table) for table in GROWS if f"Seq Scan on {table} " in plan]
    finally:
        await connection.close()
    assert not through_tables
