"""The plans of the timeline: by index, in the partitions since the intent only, and bounded however long its life."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, StillClock, about, paused, record
from tests.stores.audit.test_plans import check, database, nodes_of

from audit.application.explain import explain_intent
from audit.domain.timeline import FIRST_EVENTS, NEWEST_AROUND, NEWEST_EVENTS
from audit.infrastructure.postgres_lives import PostgresLives, floor_of_intent
from audit.infrastructure.postgres_reads import LAST_ID, ceiling_of, floor_of, id_at, queries
from audit.infrastructure.wire import timeline_response
from chassis.database import Database
from kernel.ids import uuid7_at
from whatlead.audit.v1 import event_pb2

__all__ = ["database"]
WEEK = timedelta(days=7)
MONDAY = (NOW - timedelta(days=NOW.weekday())).replace(hour=0, minute=0, second=0)


def partitions_of(nodes: Sequence[dict[str, object]]) -> set[str]:
    """Return which partitions a plan that was run went into."""
    named = {str(node["Relation Name"]) for node in nodes if node.get("Actual Loops") and "Relation Name" in node}
    return {name.removeprefix("operational_event_") for name in named if name.startswith("operational_event_2")}


@pytest.mark.parametrize(
    "query", [queries.read_newest_of_intent, queries.read_oldest_of_intent], ids=lambda one: one.name
)
async def test_an_intents_events_are_read_by_its_index_and_in_no_older_partition(
    database: Database, query: object
) -> None:
    this_week = {f"{MONDAY:%Y%m%d}"}
    before = {"before": LAST_ID} if query is queries.read_oldest_of_intent else {}
    for intent_id, number, older in [
        (uuid7_at(MONDAY + timedelta(hours=2)), 5_100, {f"{MONDAY - WEEK:%Y%m%d}", f"{MONDAY - 2 * WEEK:%Y%m%d}"}),
        (uuid7_at(MONDAY - timedelta(days=3)), 4_100, {f"{MONDAY - 2 * WEEK:%Y%m%d}"}),
    ]:
        nodes = await nodes_of(
            database,
            query,
            organization_id=f"org-{number % 7}",
            intent_id=f"intent-{number}",
            floor=floor_of_intent(intent_id),
            size=NEWEST_EVENTS,
            **before,
        )
        check(nodes, table="operational_event", index="organization_id_aggregate_id", most_rows=10)
        assert not partitions_of(nodes) & older, "a partition older than the intent was read"
        assert partitions_of(nodes) >= this_week


async def test_what_was_around_is_found_by_place_and_fetched_by_id(database: Database) -> None:
    nodes = await nodes_of(
        database,
        queries.read_surroundings,
        organization_ids=["", "org-3", "org-3", "org-3"],
        scopes=["PLATFORM", "ORGANIZATION", "CAMPAIGN", "INSTANCE"],
        targets=["", "", "c-3", "inst-3"],
        start=NOW - timedelta(days=3),
        end=NOW,
        size=NEWEST_AROUND + 1,
    )
    check(nodes, table="scope_interval", index="scope_interval_target", most_rows=60)
    check(nodes, table="operational_event", index="_pkey", most_rows=60)


async def test_what_an_instance_did_is_read_by_its_index_however_much_others_did(database: Database) -> None:
    hour = MONDAY - timedelta(days=2)
    nodes = await nodes_of(
        database,
        queries.list_events_of_instance,
        organization_ids=["", "org-2"],
        before=ceiling_of(hour + timedelta(hours=1)),
        floor=floor_of(hour),
        types=None,
        campaign_id="",
        instance_id="inst-3",
        start=hour,
        until=hour + timedelta(hours=1),
        size=50,
    )
    check(nodes, table="operational_event", index="organization_id_instance_id", most_rows=20)
    assert partitions_of(nodes) <= {f"{MONDAY - WEEK:%Y%m%d}"}


async def test_the_sends_around_a_pause_are_read_in_its_minutes_only(database: Database) -> None:
    at = MONDAY - timedelta(days=2)
    nodes = await nodes_of(
        database,
        queries.read_sends,
        organization_id="org-3",
        campaign_id="c-3",
        instance_id="",
        types=["MESSAGE_SENT"],
        floor=id_at(at - timedelta(minutes=1)),
        ceiling=id_at(at + timedelta(minutes=2)),
        size=5_000,
    )
    reads = [node for node in nodes if str(node.get("Relation Name", "")).startswith("operational_event")]
    assert {node["Node Type"] for node in reads} <= {"Index Scan", "Bitmap Heap Scan"}
    assert partitions_of(nodes) <= {f"{MONDAY - WEEK:%Y%m%d}"}


async def test_a_pause_is_found_by_its_place_and_by_its_id(database: Database) -> None:
    found = await nodes_of(database, queries.find_newest_pause, organization_id="org-3", scope="CAMPAIGN", target="c-3")
    check(found, table="scope_interval", index="scope_interval_target", most_rows=60)
    read = await nodes_of(database, queries.read_pause, organization_ids=["org-3", ""], control_id="p-3")
    check(read, table="scope_interval", index="scope_interval_pkey", most_rows=2)
    check(read, table="operational_event", index="_pkey", most_rows=2)


async def test_a_life_of_thousands_of_events_has_a_bounded_answer_that_says_so(databases: Databases) -> None:
    log = await databases.database("audit")
    created = NOW - timedelta(hours=5)
    intent_id = str(uuid7_at(created))
    hold = event_pb2.HoldDetail(control_ids=["c"], pause_reason="wrong price")
    kinds = ["MESSAGE_APPROVED", *["MESSAGE_HELD"] * 5_000, "MESSAGE_SEND_STARTED", "MESSAGE_SENT"]
    events = [
        about(intent_id, number, kind, at=created + timedelta(seconds=number), hold=hold)
        for number, kind in enumerate(kinds, start=1)
    ]
    pauses = [
        paused(f"p-{number}", kind, "CAMPAIGN", "black-friday", at=created + timedelta(seconds=10 * number + later))
        for number in range(400)
        for kind, later in (("EXECUTION_PAUSED", 0), ("EXECUTION_FENCED", 1), ("EXECUTION_RESUMED", 5))
    ]
    await record(log, *events, *pauses)

    timeline = await explain_intent(
        organization_id="acme", intent_id=UUID(intent_id), lives=PostgresLives(log), clock=StillClock()
    )
    body = timeline_response(intent_id, timeline).SerializeToString()
    assert len(body) < 200_000
    own = [entry.recorded.event.sequence for entry in timeline.entries if not entry.context]
    assert own == [*range(1, FIRST_EVENTS + 1), *range(5_003 - NEWEST_EVENTS + 1, 5_004)]
    assert timeline.omitted == (FIRST_EVENTS + 1, 5_003 - NEWEST_EVENTS)
    assert timeline.pending_sequences == ()
    assert timeline.answer.startswith("Sent at ")
    assert timeline.context_omitted
    assert sum(entry.context for entry in timeline.entries) == NEWEST_AROUND
    held = [phase for phase in timeline.phases if phase.kind.value == "HELD"]
    assert all(phase.end - phase.start == timedelta(seconds=1) for phase in held if phase.end), "no phase spans the cut"
