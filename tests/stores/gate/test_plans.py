"""The plans of what people ask in a hurry: an intent is found by its reference, however many others are kept."""

import asyncpg
import pytest
from tests.postgres import Databases

from chassis.database import Database, Query
from gate.infrastructure.reading import LAST_INTENT, IntentFilter, IntentReads

# Two organizations use the same references; one of these is on every second intent.
FILL = """
INSERT INTO gate.intent (
    organization_id, intent_id, request_id, content_hash, campaign_id, asked_instance_id, category, reference,
    hold_if_paused, expire_time, content_digest, sealed, traceparent, submitted_at, state, sequence, instance_id,
    decision_number, outcome, reason, decided_at, decision
)
SELECT
    'org-' || number / 2 % 2, gen_random_uuid(), 'r-' || number, '', 'c', '', 'UTILITY',
    CASE WHEN number % 2 = 0 THEN 'import' ELSE 'lead-' || number / 4 END,
    false, now(), '', '', '', now(), 'APPROVED', 1, '', 1, 'APPROVED', '', now(),
    '[1, 1, "", null, null, null, null, true, []]'
FROM generate_series(0, 19999) AS number;
ANALYZE gate.intent;
"""
READ = """
SELECT coalesce(sum(seq_tup_read), 0) AS through_the_table, (
    SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'intent'
) AS by_index
FROM pg_stat_user_tables WHERE relname = 'intent'
"""


@pytest.fixture
async def url(databases: Databases) -> str:
    url = await databases.url("gate")
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    await administrator.execute(FILL)
    await administrator.close()
    return url


async def rows_read(database: Database) -> tuple[int, int]:
    """Return how many intents were read so far: by going through the table, and by any index."""
    async with database.autocommit() as tx:
        await tx.fetch(Query.of("flush", "SELECT pg_stat_force_next_flush()"))
        row = await tx.fetch_one(Query.of("read", READ))
    assert row is not None
    return int(row.through_the_table), int(row.by_index)


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("reference", "found"), [("lead-42", 1), ("import", 3), ("nobody", 0)])
async def test_an_intent_is_found_by_its_reference_alone(url: str, plans: str, reference: str, found: int) -> None:
    wanted = IntentFilter(campaign_id="", instance_id="", state="", reason="", reference=reference)
    database = Database.connect(url, pool_size=1, plan_cache_mode=plans)
    try:
        before = await rows_read(database)
        views = await IntentReads(database=database).newest("org-0", wanted, before=LAST_INTENT, most=3)
        after = await rows_read(database)
    finally:
        await database.close()
    assert [view.message.reference for view in views] == [reference] * found
    assert after[0] == before[0], "the table was gone through"
    assert after[1] - before[1] <= 4, "other intents were read on the way"
