"""TimelineService over real gRPC: the expected events, and nothing for those it is not for."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.serving import RunningServer
from tests.stores.audit.facts import about, paused, stamp

from kernel.errors import Failure, Kind
from kernel.ids import uuid7, uuid7_at
from whatlead.audit.v1 import event_pb2, timeline_pb2
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub
from whatlead.audit.v1.timeline_pb2_grpc import TimelineServiceStub

NOW = datetime.now(UTC)


async def ask(
    audit: RunningServer, intent_id: str, *, role: str = "owner", organization_id: str = "acme"
) -> timeline_pb2.GetMessageIntentTimelineResponse:
    stub = TimelineServiceStub(audit.public_channel(role=role, organization_id=organization_id))
    response: timeline_pb2.GetMessageIntentTimelineResponse = await stub.GetMessageIntentTimeline(
        timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id)
    )
    return response


async def tell(audit: RunningServer, service: str, *bodies: bytes) -> None:
    stub = EventServiceStub(audit.internal_channel(service=service))
    answer = await stub.RecordEvents(event_pb2.RecordEventsRequest(events=bodies))
    assert not answer.refusals


@pytest.fixture
async def blocked(audit: RunningServer) -> str:
    """An intent that the gate blocked because its campaign was paused; the pause was lifted later."""
    began = NOW - timedelta(minutes=3)
    intent_id = str(uuid7_at(NOW - timedelta(minutes=2)))
    decision = event_pb2.DecisionDetail(number=1, rule="kill_switch", policy_version=4, submitted_at=stamp(NOW))
    await tell(
        audit,
        "gate",
        about(intent_id, 1, "MESSAGE_BLOCKED", at=NOW - timedelta(minutes=2), reason="OPS_PAUSED", decision=decision),
    )
    scope = ("CAMPAIGN", "black-friday")
    await tell(
        audit,
        "control",
        paused("c-1", "EXECUTION_RESUMED", *scope, at=NOW - timedelta(minutes=1), paused_at=began, actor="bia"),
        paused("c-1", "EXECUTION_PAUSED", *scope, at=began, note="wrong price", actor="ana"),
    )
    return intent_id


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_the_timeline_returns_the_expected_events(audit: RunningServer, blocked: str, role: str) -> None:
    timeline = await ask(audit, blocked.upper(), role=role)
    assert [(entry.event.type, entry.context, entry.summary) for entry in timeline.entries] == [
        (
            event_pb2.EVENT_TYPE_EXECUTION_PAUSED,
            True,
            "Pause of campaign black-friday committed (“wrong price”, by ana)",
        ),
        (
            event_pb2.EVENT_TYPE_MESSAGE_BLOCKED,
            False,
            "Blocked by the gate, sending was paused (OPS_PAUSED): rule kill_switch; decision 1, policy version 4",
        ),
        (event_pb2.EVENT_TYPE_EXECUTION_RESUMED, True, "Pause of campaign black-friday lifted (by bia)"),
    ]
    assert timeline.standing == timeline_pb2.STANDING_NOT_SENT
    assert timeline.answer == (
        "Not sent: the pause of campaign black-friday (“wrong price”, by ana) held when it was submitted (OPS_PAUSED)"
    )
    assert (timeline.intent_id, timeline.campaign_id, timeline.instance_id) == (blocked, "black-friday", "inst-sp-1")
    assert timeline.entries[2].since_previous.ToTimedelta() == timedelta(minutes=1)
    assert not timeline.entries[1].HasField("since_previous")
    assert all(entry.HasField("recorded_at") for entry in timeline.entries)


async def test_an_erased_intent_says_when_by_whom_and_why_and_its_answer_stays(
    audit: RunningServer, blocked: str
) -> None:
    before = await ask(audit, blocked)
    note = event_pb2.NoteDetail(note="asked by mail")
    erased = about(blocked, 0, "MESSAGE_ERASED", at=NOW, actor="ana", note=note, instance_id="", campaign_id="")
    await tell(audit, "gate", erased)
    after = await ask(audit, blocked)
    entry = after.entries[-1]
    assert entry.summary == "Its number and content were erased, as the person asked (“asked by mail”, by ana)"
    assert (entry.context, entry.event.actor, entry.event.occurred_at) == (True, "ana", stamp(NOW))
    del after.entries[-1]
    assert after == before


async def test_an_erasure_alone_is_no_life_yet(audit: RunningServer) -> None:
    intent_id = str(uuid7())
    await tell(audit, "gate", about(intent_id, 0, "MESSAGE_ERASED", at=NOW))
    with pytest.raises(Failure) as caught:
        await ask(audit, intent_id)
    assert caught.value.kind is Kind.NOT_FOUND


async def test_a_foreign_organization_gets_not_found_in_the_words_for_a_missing_intent(
    audit: RunningServer, blocked: str
) -> None:
    said = []
    for intent_id, organization_id in [(blocked, "other"), (str(uuid7()), "acme")]:
        with pytest.raises(Failure) as caught:
            await ask(audit, intent_id, organization_id=organization_id)
        said.append((caught.value.kind, caught.value.reason, caught.value.message, caught.value.violations))
    assert said[0] == said[1]
    assert said[0][0] is Kind.NOT_FOUND


@pytest.mark.parametrize("role", ["member", "platform"])
async def test_a_member_is_denied_whether_the_intent_exists_or_not(
    audit: RunningServer, blocked: str, role: str
) -> None:
    for intent_id in (blocked, str(uuid7())):
        with pytest.raises(Failure) as caught:
            await ask(audit, intent_id, role=role)
        assert (caught.value.kind, caught.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


@pytest.mark.parametrize("intent_id", ["", "x", "{0b2f2f6e-1d3a-4c7e-9d59-3f1b6f0f3f7e}", "1" * 400])
async def test_what_is_no_intent_id_is_refused(audit: RunningServer, intent_id: str) -> None:
    with pytest.raises(Failure) as caught:
        await ask(audit, intent_id)
    assert caught.value.kind is Kind.INVALID_ARGUMENT
    assert [violation.field for violation in caught.value.violations] == ["intent_id"]


@pytest.mark.parametrize(
    "intent_id",
    [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "c0ffee00-1d3a-4c7e-9d59-3f1b6f0f3f7e",
    ],
)
async def test_an_id_that_no_intent_can_have_is_not_found(audit: RunningServer, intent_id: str) -> None:
    with pytest.raises(Failure) as caught:
        await ask(audit, intent_id)
    assert caught.value.kind is Kind.NOT_FOUND
