"""The timeline finds an intent's events and whatever covered it, and nothing of anybody else's."""

import random
from datetime import timedelta
from uuid import UUID

import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, StillClock, about, message, paused, record, stamp

from audit.application.explain import explain_intent
from audit.domain.answer import Standing
from audit.domain.timeline import Timeline
from audit.infrastructure.postgres_lives import PostgresLives
from chassis.database import Database
from kernel.errors import Failure, Kind
from kernel.ids import uuid7, uuid7_at
from whatlead.audit.v1 import event_pb2

CREATED = NOW - timedelta(minutes=10)


@pytest.fixture
async def database(databases: Databases) -> Database:
    return await databases.database("audit")


async def explain(database: Database, intent_id: str, organization_id: str = "acme") -> Timeline:
    return await explain_intent(
        organization_id=organization_id,
        intent_id=UUID(intent_id),
        lives=PostgresLives(database),
        clock=StillClock(),
    )


def kinds(timeline: Timeline) -> list[str]:
    """Return what happened, with context in brackets."""
    return [
        f"({entry.recorded.event.type.value})" if entry.context else entry.recorded.event.type.value
        for entry in timeline.entries
    ]


def held_life(intent_id: str) -> list[bytes]:
    """Make the life of an intent that met a pause and was sent after it."""
    hold = event_pb2.HoldDetail(control_ids=["c-1"], pause_reason="wrong price")
    attempt = event_pb2.AttemptDetail(number=1, provider="whatsapp_cloud")

    def at(seconds: int) -> dict[str, object]:
        return {"at": CREATED + timedelta(seconds=seconds)}

    return [
        about(intent_id, 1, "MESSAGE_QUEUED", reason="PACE", decision=event_pb2.DecisionDetail(number=1), **at(0)),
        about(intent_id, 2, "MESSAGE_APPROVED", decision=event_pb2.DecisionDetail(number=2), **at(5)),
        about(intent_id, 3, "MESSAGE_HELD", reason="OPS_PAUSED", hold=hold, **at(6)),
        about(intent_id, 4, "MESSAGE_SEND_STARTED", attempt=attempt, **at(61)),
        about(intent_id, 5, "MESSAGE_SENT", attempt=attempt, **at(62)),
        about(intent_id, 6, "MESSAGE_DELIVERED", delivery=event_pb2.DeliveryDetail(attempt_number=1), **at(70)),
    ]


def pause_of(control_id: str, scope: str, target: str, began: float, ended: float | None) -> list[bytes]:
    """Make the events of a pause, in seconds after the intent was made."""
    at = CREATED + timedelta(seconds=began)
    note = {"note": "wrong price", "actor": "ana"}
    events = [
        paused(control_id, "EXECUTION_PAUSED", scope, target, at=at, **note),
        paused(
            control_id, "EXECUTION_FENCED", scope, target, at=at + timedelta(milliseconds=560), paused_at=at, **note
        ),
    ]
    if ended is not None:
        end = CREATED + timedelta(seconds=ended)
        events.append(paused(control_id, "EXECUTION_RESUMED", scope, target, at=end, paused_at=at, **note))
    return events


async def test_the_timeline_returns_the_expected_events_whatever_order_they_arrived_in(database: Database) -> None:
    intent_id, other = str(uuid7_at(CREATED)), str(uuid7_at(CREATED))
    own = held_life(intent_id)
    # The pause began after the approval, in the same second as the hold that it caused.
    around = pause_of("c-1", "CAMPAIGN", "black-friday", 5.1, 60)
    events = [*own, *held_life(other), *around]
    random.Random(4).shuffle(events)
    for event in events:
        await record(database, event)
    timeline = await explain(database, intent_id)
    assert kinds(timeline) == [
        "MESSAGE_QUEUED",
        "MESSAGE_APPROVED",
        "(EXECUTION_PAUSED)",
        "(EXECUTION_FENCED)",
        "MESSAGE_HELD",
        "(EXECUTION_RESUMED)",
        "MESSAGE_SEND_STARTED",
        "MESSAGE_SENT",
        "MESSAGE_DELIVERED",
    ]
    assert {entry.recorded.event.aggregate_id for entry in timeline.entries} == {intent_id, "c-1"}
    assert timeline.pending_sequences == ()
    assert timeline.standing is Standing.SENT
    assert timeline.answer.startswith("Sent at ")
    assert " by inst-sp-1, delivered at " in timeline.answer
    assert [entry.recorded.body for entry in timeline.entries if not entry.context] == own


@pytest.mark.parametrize(
    ("scope", "target"),
    [("CAMPAIGN", "black-friday"), ("INSTANCE", "inst-sp-1"), ("ORGANIZATION", ""), ("PLATFORM", "")],
)
async def test_a_pause_that_began_long_before_is_found_and_what_it_waits_for(
    database: Database, scope: str, target: str
) -> None:
    intent_id = str(uuid7_at(CREATED))
    await record(database, *pause_of("c-1", scope, target, -40 * 86_400, None))
    await record(database, *held_life(intent_id)[:2])
    timeline = await explain(database, intent_id)
    assert kinds(timeline) == ["(EXECUTION_PAUSED)", "(EXECUTION_FENCED)", "MESSAGE_QUEUED", "MESSAGE_APPROVED"]
    assert timeline.standing is Standing.WAITING
    assert timeline.answer.startswith("Waiting for the pause of ")
    assert timeline.answer.endswith(" (“wrong price”, by ana) until it is lifted")


@pytest.mark.parametrize(
    ("plan", "before", "told"),
    [
        ("RAMP from 10 % in 900 s", 60, "the pace grows until "),
        ("RAMP from 10 % in 60 s", 61, ""),
        ("CANARY of 20, at most 5 % failed, watched for 30 s", 86_400, "a few are tried first "),
        ("IMMEDIATE", 1, ""),
    ],
)
async def test_an_intent_made_after_a_resume_is_told_of_it_until_the_full_pace(
    database: Database, plan: str, before: int, told: str
) -> None:
    intent_id = str(uuid7_at(CREATED))
    end = CREATED - timedelta(seconds=before)
    lifted = paused("c-1", "EXECUTION_RESUMED", "CAMPAIGN", "black-friday", at=end, plan=plan)
    for event in (*held_life(intent_id)[:2], lifted, *pause_of("c-1", "CAMPAIGN", "black-friday", -90_000, None)):
        await record(database, event)
    timeline = await explain(database, intent_id)
    assert ("(EXECUTION_RESUMED)" in kinds(timeline)) is bool(told)
    assert ("was lifted and " + told in timeline.answer) is bool(told)


async def test_what_did_not_cover_its_life_is_left_out(database: Database) -> None:
    intent_id = str(uuid7_at(CREATED))
    await record(database, *held_life(intent_id))
    for number, (scope, target, began, ended) in enumerate(
        [
            ("CAMPAIGN", "other", 5, None),
            ("INSTANCE", "inst-rj-1", 5, None),
            ("CAMPAIGN", "black-friday", -100, -50),
            ("CAMPAIGN", "black-friday", 300, None),
        ]
    ):
        await record(database, *pause_of(f"c-{number}", scope, target, began, ended))
    foreign = paused("c-9", "EXECUTION_PAUSED", "ORGANIZATION", "", at=CREATED, organization_id="other")
    await record(database, foreign)
    assert not [kind for kind in kinds(await explain(database, intent_id)) if kind.startswith("(")]


async def test_a_cooldown_of_its_instance_is_context(database: Database) -> None:
    intent_id = str(uuid7_at(CREATED))
    started = CREATED - timedelta(minutes=1)

    def cooldown(kind: str, at_seconds: int) -> bytes:
        detail = event_pb2.CooldownDetail(level=1, start_time=stamp(started))
        return message(
            f"INSTANCE_COOLDOWN_{kind}",
            at=CREATED + timedelta(seconds=at_seconds),
            aggregate_type=event_pb2.AGGREGATE_TYPE_INSTANCE,
            aggregate_id="inst-sp-1",
            sequence=0,
            campaign_id="",
            cooldown=detail,
        ).SerializeToString()

    await record(database, *held_life(intent_id), cooldown("STARTED", -60), cooldown("ENDED", 3))
    assert kinds(await explain(database, intent_id))[:3] == [
        "(INSTANCE_COOLDOWN_STARTED)",
        "MESSAGE_QUEUED",
        "(INSTANCE_COOLDOWN_ENDED)",
    ]


async def test_gaps_are_pending(database: Database) -> None:
    intent_id = str(uuid7_at(CREATED))
    await record(database, *(body for number, body in enumerate(held_life(intent_id)) if number not in {1, 3}))
    timeline = await explain(database, intent_id)
    assert timeline.pending_sequences == (2, 4)
    assert timeline.answer.endswith("(2 earlier events are still on the way)")


async def test_a_foreign_intent_is_as_unknown_as_a_missing_one(database: Database) -> None:
    intent_id = str(uuid7_at(CREATED))
    await record(database, *held_life(intent_id))
    said = []
    for asked, organization_id in [
        (intent_id, "other"),
        (intent_id, ""),
        (str(uuid7()), "acme"),
        ("ffffffff-ffff-7fff-bfff-ffffffffffff", "acme"),
        ("00000000-0000-0000-0000-000000000000", "acme"),
        ("c0ffee00-1d3a-4c7e-9d59-3f1b6f0f3f7e", "acme"),
    ]:
        with pytest.raises(Failure) as caught:
            await explain(database, asked, organization_id)
        said.append((caught.value.kind, caught.value.reason, str(caught.value)))
    assert set(said) == {(Kind.NOT_FOUND, "NOT_FOUND", "NOT_FOUND: intent not found")}


async def test_a_control_of_the_same_id_as_an_intent_is_not_its_event(database: Database) -> None:
    intent_id = str(uuid7_at(CREATED))
    await record(database, paused(intent_id, "EXECUTION_PAUSED", "CAMPAIGN", "x", at=CREATED))
    with pytest.raises(Failure):
        await explain(database, intent_id)
