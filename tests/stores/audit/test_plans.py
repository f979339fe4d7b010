"""The plans of what is asked often: lists and metrics go by index and never through the whole log."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, about, record

from audit.infrastructure.postgres_reads import LAST_ID, floor_of, queries
from audit.infrastructure.postgres_sums import edges
from chassis.database import Database, Query
from kernel.ids import uuid7

# The log is filled from the week before last to the end of this one: three whole partitions, whatever day it is.
FILL = """
SET search_path = audit;
INSERT INTO operational_event (
    event_id, organization_id, aggregate_type, aggregate_id, sequence, event_type, instance_id, campaign_id, reason,
    occurred_at, recorded_at, clamped, producer, trace_id, actor, body
)
SELECT
    CAST(substr(CAST(event_id_floor(at) AS text), 1, 13) || substr(CAST(gen_random_uuid() AS text), 14) AS uuid),
    'org-' || number / 4 % 7, 'INTENT', 'intent-' || number / 4, number % 4, 'MESSAGE_SENT', 'inst-' || number % 5,
    'c-' || number % 11, '', at, at, false, 'executor', '', '', ''
FROM generate_series(1, 30240) AS number, LATERAL (
    SELECT date_trunc('week', now()) - interval '14 days' + (number - 0.5) * interval '1 minute' AS at
);
INSERT INTO event_sum (
    organization_id, minutes, start, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, submission_count, submission_us
)
SELECT DISTINCT ON (1, 2, 3, 4)
    'org-' || number % 7, span.minutes,
    date_bin(span.minutes * interval '1 minute', now() - number / 7 * interval '10 minutes', 'epoch'),
    'inst-' || number % 5, 'c', 'MESSAGE_SENT', '', 1, 0, 0, 0, 0
FROM generate_series(1, 32000) AS number, (VALUES (1), (10), (60), (1440)) AS span (minutes);
INSERT INTO saturation_peak (
    organization_id, minutes, start, instance_id, campaign_id, ratio, used, most, limit_name
)
SELECT organization_id, minutes, start, instance_id, campaign_id, 0.5, 1, 2, 'PACE' FROM event_sum;
INSERT INTO scope_interval
SELECT 'org-' || number % 7, 'p-' || number, 'CAMPAIGN', 'c-' || number % 11, now() - number * interval '1 hour',
    now() - number * interval '59 minutes', ARRAY[event_id]
FROM (SELECT row_number() OVER () AS number, event_id FROM operational_event LIMIT 3000) AS events;
ANALYZE;
"""


@pytest.fixture
async def database(databases: Databases) -> Database:
    url = await databases.url("audit")
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    await administrator.execute(FILL)
    await administrator.close()
    return databases.connect(url)


async def nodes_of(database: Database, query: Query, **params: object) -> list[dict[str, Any]]:
    """Return the nodes of the plan that is really run, in any order."""
    explained = Query.of(query.name, f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query.text}")
    async with database.autocommit() as tx:
        row = await tx.fetch_one(explained, **params)
    assert row is not None
    nodes: list[dict[str, Any]] = []
    waiting = [row[0][0]["Plan"]]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", [])
    return nodes


def check(nodes: list[dict[str, Any]], *, table: str, index: str, most_rows: int) -> None:
    """See that every reading of `table` goes by `index`, and that few rows are touched.

    Partitions that hold nothing yet may be read in any way.
    """
    reads = [node for node in nodes if node.get("Relation Name", "").startswith(table) and touched_by(node)]
    assert reads
    by_index = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    assert {node["Node Type"] for node in reads} <= by_index, reads
    names = [node["Index Name"] for node in nodes if "Index Name" in node]
    assert any(index in name for name in names), names
    assert sum(touched_by(node) for node in reads) <= most_rows, reads


def touched_by(node: dict[str, Any]) -> float:
    """Return how many rows a node read, those that it threw away included."""
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


@pytest.mark.parametrize("aggregate_id", ["", "intent-100"])
async def test_a_page_reads_no_more_than_a_page(database: Database, aggregate_id: str) -> None:
    nodes = await nodes_of(
        database,
        queries.list_events_of_aggregate if aggregate_id else queries.list_events,
        organization_ids=["", "org-2"],
        before=LAST_ID,
        floor=floor_of(NOW - timedelta(days=400)),
        types=None,
        campaign_id="",
        instance_id="",
        start=NOW - timedelta(days=400),
        until=NOW + timedelta(days=9),
        size=50,
        **({"aggregate_id": aggregate_id} if aggregate_id else {}),
    )
    index = "aggregate_id" if aggregate_id else "organization_id_event_id"
    check(nodes, table="operational_event", index=index, most_rows=200)


WHOLE_ORGANIZATION: dict[str, object] = {"organization_id": "org-3"}
ONE_INSTANCE: dict[str, object] = {"organization_id": "org-3", "instance_id": "inst-2"}
BY_CAMPAIGN: dict[str, object] = {"organization_id": "org-3", "by_campaign": True}


@pytest.mark.parametrize(
    ("query", "asked", "table"),
    [
        ("count_organization", WHOLE_ORGANIZATION, "event_sum"),
        ("saturate_organization", WHOLE_ORGANIZATION, "saturation_peak"),
        ("count_instance", ONE_INSTANCE, "event_sum"),
        ("saturate_instance", ONE_INSTANCE, "saturation_peak"),
        ("count_parts", BY_CAMPAIGN, "event_sum"),
        ("saturate_parts", BY_CAMPAIGN, "saturation_peak"),
    ],
)
@pytest.mark.parametrize("minutes", [180, 44_640])
async def test_metrics_read_few_rows_of_the_sums_however_long_the_window(
    database: Database, query: str, asked: dict[str, object], table: str, minutes: int
) -> None:
    """Each of five instances has up to 9 minutes, 5 tens, 23 hours and 32 days in a window, and never more."""
    since = edges(NOW.replace(second=0) - timedelta(minutes=minutes))
    campaign = {} if "by_campaign" in asked else {"campaign_id": ""}
    nodes = await nodes_of(database, getattr(queries, query), **asked, **campaign, **since)
    check(nodes, table=table, index=f"{table}_", most_rows=5 * (9 + 5 + 23 + 32))
    assert not [node for node in nodes if node.get("Relation Name", "").startswith("operational_event")]


@pytest.mark.parametrize(("step", "spans", "most"), [(10, 10, 5 * 289), (60, 60, 5 * 49), (2_880, 1_440, 5 * 3)])
async def test_a_series_reads_the_longest_spans_that_its_points_are_made_of(
    database: Database, step: int, spans: int, most: int
) -> None:
    nodes = await nodes_of(
        database,
        queries.count_points,
        **WHOLE_ORGANIZATION,
        instance_id="",
        campaign_id="",
        start=NOW - timedelta(days=2),
        step=step,
        minutes=spans,
    )
    check(nodes, table="event_sum", index="event_sum_", most_rows=most)


async def test_counts_are_folded_a_group_at_a_time(database: Database) -> None:
    many = """
        INSERT INTO fresh_count
        SELECT 'org-1', date_trunc('minute', now()), 'inst-' || number, 'c', 'MESSAGE_SENT', '', 1, 1, 9, 1, 1, 9, 1
        FROM generate_series(1, 6000) AS number
    """
    async with database.transaction() as tx:
        await tx.execute(Query.of("many", many))
    nodes = await nodes_of(database, queries.fold_counts)
    assert [node["Strategy"] for node in nodes if node["Node Type"] == "Aggregate"] == ["Sorted"]


async def test_the_sealer_reads_what_is_new_and_not_the_log(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.fetch_one(queries.summarize_transactions)
        row = await tx.fetch_one(
            Query.of("last", "SELECT max(CAST(CAST(xid8 AS text) AS bigint)) AS last FROM operational_event")
        )
    assert row is not None
    await record(database, *(about(str(uuid7()), 1, "MESSAGE_SENT") for _ in range(40)))
    nodes = await nodes_of(
        database,
        queries.seal_events,
        size=0,
        transaction_id=row.last + 1,
        event_id=UUID(int=0),
        ceiling=row.last + 1_000_000,
        most=5_000,
    )
    check(nodes, table="operational_event", index="xid8_idx", most_rows=40)
    rechecked = sum(node.get("Rows Removed by Index Recheck", 0) for node in nodes)
    assert rechecked < 10_080  # of 30,240: less than the partition that was written last
