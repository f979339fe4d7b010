"""Fill audit's log and its sums as a large sender's sixty days do, in SQL. Measures nothing.

Sixty days of four organizations with five instances each, and six events an intent. The secondary indexes are dropped
and made again, which is why a million events take a quarter of a minute; what is stored then is what recording would
have stored, but that no body is a real one and that the rows count as older than the newest leaf of the evidence log.
"""

import sys
from datetime import timedelta

import asyncpg

ORGANIZATIONS = ("acme", "org-2", "org-3", "org-4")
INSTANCES = 5
DAYS = 60
_STEP = 1_000_000
_BODY_BYTES = 300

_FILL = f"""
INSERT INTO operational_event (
    event_id, organization_id, aggregate_type, aggregate_id, sequence, event_type, instance_id, campaign_id, reason,
    occurred_at, recorded_at, clamped, producer, trace_id, actor, xid8, body
)
SELECT
    CAST(
        substr(CAST(event_id_floor(at) AS text), 1, 13) || '-7' || substr(CAST(gen_random_uuid() AS text), 16) AS uuid
    ),
    ($4::text[])[1 + place % {len(ORGANIZATIONS)}], 'INTENT',
    substr(CAST(event_id_floor(begun) AS text), 1, 13) || '-7000-8000-' || lpad(to_hex(intent), 12, '0'),
    number % 6 + 1,
    (ARRAY['MESSAGE_APPROVED', 'MESSAGE_SEND_STARTED', 'MESSAGE_SENT', 'MESSAGE_DELIVERED', 'MESSAGE_READ',
        'MESSAGE_HELD'])[1 + number % 6],
    'inst-' || place / {len(ORGANIZATIONS)}, 'campaign-' || (extract(hour FROM begun)), '', at, at, false,
    'executor', md5(CAST(intent AS text)), '', '3'::xid8,
    decode(repeat(md5(CAST(number AS text)), {_BODY_BYTES} / 16), 'hex')
FROM generate_series($1::bigint, $2::bigint) AS number,
    LATERAL (SELECT number / 6 AS intent) AS life,
    LATERAL (SELECT
        intent % {len(ORGANIZATIONS) * INSTANCES} AS place,
        $5::timestamptz - interval '{DAYS} days' * (1 - (intent * 6 - $6::bigint) / $3::double precision) AS begun
    ) AS life_of,
    LATERAL (SELECT least(begun + (number % 6) * interval '200 ms', $5::timestamptz) AS at) AS moment
"""

# The time to send of each third event lies in one of ninety buckets; a histogram is one number (decision 0011).
_SUM = """
INSERT INTO event_sum (
    organization_id, minutes, start, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
)
SELECT
    organization_id, 1, date_trunc('minute', occurred_at) AS start, instance_id, campaign_id, event_type, '',
    count(*), count(value), 400000 * count(value), coalesce(sum(value), 0),
    count(value), 700000 * count(value), coalesce(sum(value), 0)
FROM operational_event
LEFT JOIN bucket
    ON event_type = 'MESSAGE_SENT' AND bucket.place = ('x' || right(CAST(event_id AS text), 4))::bit(16)::int % 90
WHERE event_id >= event_id_floor($1) AND event_id < event_id_floor($2)
GROUP BY organization_id, start, instance_id, campaign_id, event_type
"""
_SUM_UP = """
INSERT INTO event_sum (
    organization_id, minutes, start, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
)
SELECT
    organization_id, $1::smallint, date_bin($1 * interval '1 minute', start, 'epoch') AS wider, instance_id,
    campaign_id, event_type, '', sum(events), sum(approval_count), sum(approval_us), sum(approval_times),
    sum(submission_count), sum(submission_us), sum(submission_times)
FROM event_sum
WHERE minutes = $2
GROUP BY organization_id, wider, instance_id, campaign_id, event_type
"""


async def prepare(connection: asyncpg.Connection) -> None:
    """Make the partitions of the sixty days."""
    await connection.execute(
        f"""
        SET search_path = audit;
        SET synchronous_commit = off;
        SET maintenance_work_mem = '1GB';
        SET work_mem = '256MB';
        SELECT ensure_partitions(now() - interval '{DAYS + 3} days', {DAYS // 7 + 2});
        CREATE TEMPORARY TABLE bucket AS
            SELECT place, power(10::numeric, 12 * (290 + place)) AS value FROM generate_series(0, 89) AS place;
        """
    )


async def fill(connection: asyncpg.Connection, stored: int, events: int) -> None:
    """Add events until there are so many, spread over the sixty days, and sum all of them up anew."""
    until = await connection.fetchval("SELECT date_trunc('minute', now())")
    indexes = await connection.fetch(
        "SELECT indexname AS name, indexdef AS made FROM pg_indexes"
        " WHERE schemaname = 'audit' AND tablename = 'operational_event' AND indexname <> 'operational_event_pkey'"
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    for first in range(stored + 1, events + 1, _STEP):
        last = min(events, first + _STEP - 1)
        await connection.execute(_FILL, first, last, events - stored, list(ORGANIZATIONS), until, stored)
        sys.stderr.write(f"    {last:,} events\n")
    for index in indexes:
        await connection.execute(index["made"].replace(" ON ONLY ", " ON "))
    await connection.execute("TRUNCATE event_sum")
    for day in range(DAYS + 1):
        end = until - timedelta(days=day - 1)
        await connection.execute(_SUM, end - timedelta(days=1), end)
    for wider, narrow in ((10, 1), (60, 10), (1_440, 60)):
        await connection.execute(_SUM_UP, wider, narrow)
    for table in ("operational_event", "event_sum"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.execute("CHECKPOINT")
