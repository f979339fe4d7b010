"""GetPauseTimeline over real gRPC: when sending really stopped, for those whom the pause concerns."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.serving import RunningServer
from tests.stores.audit.facts import about, paused, stamp

from kernel.errors import Failure, Kind
from kernel.ids import uuid7, uuid7_at
from whatlead.audit.v1 import event_pb2, timeline_pb2
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub
from whatlead.audit.v1.timeline_pb2_grpc import TimelineServiceStub

BEGAN = datetime.now(UTC) - timedelta(minutes=10)
FENCED = BEGAN + timedelta(milliseconds=400)
LAST = BEGAN + timedelta(milliseconds=150)


async def ask(
    audit: RunningServer, *, role: str = "owner", organization_id: str = "acme", **pause: str
) -> timeline_pb2.GetPauseTimelineResponse:
    stub = TimelineServiceStub(audit.public_channel(role=role, organization_id=organization_id))
    request = timeline_pb2.GetPauseTimelineRequest(**pause)  # type: ignore[arg-type]
    answer: timeline_pb2.GetPauseTimelineResponse = await stub.GetPauseTimeline(request)
    return answer


async def tell(audit: RunningServer, service: str, *bodies: bytes) -> None:
    stub = EventServiceStub(audit.internal_channel(service=service))
    assert not (await stub.RecordEvents(event_pb2.RecordEventsRequest(events=bodies))).refusals


def sent(began: datetime, intent_id: str = "", **fields: object) -> bytes:
    attempt = event_pb2.AttemptDetail(number=1, provider="whatsapp_cloud", began_at=stamp(began))
    ended = began + timedelta(milliseconds=700)
    return about(intent_id or str(uuid7_at(began)), 3, "MESSAGE_SENT", at=ended, attempt=attempt, **fields)


def pause_of(control_id: str, scope: str, target: str, *, at: datetime = BEGAN) -> list[bytes]:
    fenced = event_pb2.OperationalEvent.FromString(
        paused(control_id, "EXECUTION_FENCED", scope, target, at=FENCED, paused_at=at, actor="control")
    )
    fenced.pause.fenced_at.CopyFrom(stamp(FENCED))
    begun = paused(control_id, "EXECUTION_PAUSED", scope, target, at=at, note="wrong price", actor="ana")
    return [fenced.SerializeToString(), begun]


@pytest.mark.parametrize(
    ("scope", "target"),
    [("CAMPAIGN", "black-friday"), ("INSTANCE", "inst-sp-1"), ("ORGANIZATION", ""), ("PLATFORM", "")],
)
async def test_who_paused_and_which_send_was_the_last(audit: RunningServer, scope: str, target: str) -> None:
    control_id, intent_id = str(uuid7_at(BEGAN)), str(uuid7_at(LAST))
    await tell(audit, "control", *pause_of(control_id, scope, target))
    elsewhere = {} if scope in ("ORGANIZATION", "PLATFORM") else {"campaign_id": "other", "instance_id": "inst-x"}
    last = sent(LAST, intent_id)
    await tell(
        audit,
        "executor",
        sent(BEGAN - timedelta(seconds=1)),
        last,
        *([sent(LAST + timedelta(milliseconds=1), **elsewhere)] if elsewhere else []),
        sent(LAST + timedelta(milliseconds=2), organization_id="other"),
    )
    answer = await ask(audit, control_id=control_id.upper())
    assert answer.last_send.outcome.aggregate_id == intent_id
    assert answer.last_send.began_at.ToDatetime(UTC) == LAST
    assert (answer.begun_before_fence, answer.begun_after_fence) == (1, 0)
    assert "(“wrong price”, by ana)" in answer.answer
    assert "250 ms before the fence, and none after it; it still holds" in answer.answer
    assert [event_pb2.EventType.Name(entry.event.type)[11:] for entry in answer.entries] == [
        "EXECUTION_PAUSED",
        "EXECUTION_FENCED",
    ]
    if elsewhere:
        newest = {"campaign_id": target} if scope == "CAMPAIGN" else {"instance_id": target}
        assert await ask(audit, **newest) == answer


async def test_the_newest_pause_of_a_campaign_is_meant(audit: RunningServer) -> None:
    old, new = str(uuid7()), str(uuid7())
    await tell(audit, "control", *pause_of(old, "CAMPAIGN", "c", at=BEGAN - timedelta(hours=1)))
    await tell(audit, "control", *pause_of(new, "CAMPAIGN", "c"))
    assert (await ask(audit, campaign_id="c")).control_id == new


async def test_what_is_foreign_or_missing_is_not_found_in_the_same_words(audit: RunningServer) -> None:
    control_id = str(uuid7_at(BEGAN))
    await tell(audit, "control", *pause_of(control_id, "CAMPAIGN", "welcome"))
    said = set()
    for organization_id, pause in [
        ("other", {"control_id": control_id}),
        ("other", {"campaign_id": "welcome"}),
        ("acme", {"control_id": str(uuid7())}),
        ("acme", {"campaign_id": "nothing"}),
        ("acme", {"instance_id": "nothing"}),
    ]:
        with pytest.raises(Failure) as caught:
            await ask(audit, organization_id=organization_id, **pause)
        said.add((caught.value.kind, caught.value.reason, str(caught.value)))
    assert len(said) == 1
    assert said.pop()[0] is Kind.NOT_FOUND


@pytest.mark.parametrize("pause", [{}, {"control_id": "x"}, {"campaign_id": ""}, {"campaign_id": "a\0b"}])
async def test_what_names_no_pause_is_refused(audit: RunningServer, pause: dict[str, str]) -> None:
    with pytest.raises(Failure) as caught:
        await ask(audit, **pause)
    assert caught.value.kind is Kind.INVALID_ARGUMENT


async def test_a_member_is_denied(audit: RunningServer) -> None:
    with pytest.raises(Failure) as caught:
        await ask(audit, role="member", campaign_id="welcome")
    assert (caught.value.kind, caught.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
