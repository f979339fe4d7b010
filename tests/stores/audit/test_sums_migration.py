"""What was counted by the minute is in the sums of every length afterwards."""

from collections.abc import Iterable
from importlib import import_module

import asyncpg
from tests.postgres import Databases

FILL = """
INSERT INTO event_minute
SELECT 'acme', timestamptz '2026-03-02 23:00Z' + number * interval '7 minutes', 'i-' || number % 2, 'c', 'MESSAGE_SENT',
    '', number, 1, number * 10, 1, number * 20
FROM generate_series(1, 30) AS number;
INSERT INTO saturation_minute
SELECT organization_id, minute, instance_id, campaign_id, events / 100.0, events, 100, 'PACE' FROM event_minute;
"""


async def run(connection: asyncpg.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        await connection.execute(statement)


async def test_what_was_counted_before_is_in_the_sums_of_every_length(databases: Databases) -> None:
    first, second = (import_module(f"audit.migrations.{name}") for name in ("0001_events", "0002_sums"))
    connection = await asyncpg.connect(await databases.empty())
    try:
        await run(connection, [*first.ROLLUPS, FILL, *second.SUMS, *second.PEAKS])
        sums = await connection.fetch(
            "SELECT minutes, count(*) AS rows, sum(events) AS events, sum(approval_us) AS us FROM event_sum GROUP BY 1"
        )
        highest = await connection.fetch(
            "SELECT minutes, instance_id, max(ratio) AS ratio FROM saturation_peak GROUP BY 1, 2 ORDER BY 1, 2"
        )
        days = await connection.fetch(
            "SELECT instance_id, limit_name, used FROM saturation_peak"
            " WHERE minutes = 1440 AND start = '2026-03-02 00:00Z' ORDER BY 1"
        )
    finally:
        await connection.close()
    assert {row["minutes"]: (row["events"], row["us"]) for row in sums} == dict.fromkeys(
        (1, 10, 60, 1_440), (465, 4_650)
    )
    assert {row["minutes"]: row["rows"] for row in sums if row["minutes"] >= 60} == {60: 8, 1_440: 4}
    assert [row["ratio"] for row in highest] == [0.3, 0.29] * 4
    assert [(row["limit_name"], row["used"]) for row in days] == [("PACE", 8), ("PACE", 7)]
