"""Domain words and the wire's cover each other; every kind of event reads well; bad bytes are refused one by one."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from audit.domain.answer import Standing
from audit.domain.arrival import Arrival, Refused
from audit.domain.event import AggregateType, EventType
from audit.domain.summary import summarise
from audit.infrastructure.parsing import AGGREGATES, TYPES, parse
from audit.infrastructure.wire import STANDINGS, recorded
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2, timeline_pb2

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
LATER = T + timedelta(minutes=5)


def stamp(moment: datetime) -> Timestamp:
    """Write a time."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def wire_event(type_: str, **fields: object) -> event_pb2.OperationalEvent:
    """Make an event of an intent as a producer does."""
    standard: dict[str, object] = {
        "event_id": str(uuid7()),
        "organization_id": "acme",
        "aggregate_type": event_pb2.AGGREGATE_TYPE_INTENT,
        "aggregate_id": str(uuid7()),
        "sequence": 1,
        "type": event_pb2.EventType.Value(f"EVENT_TYPE_{type_}"),
        "occurred_at": stamp(T),
        "producer": "executor",
        "instance_id": "inst-sp-1",
        "campaign_id": "black-friday",
    }
    return event_pb2.OperationalEvent(**(standard | fields))  # type: ignore[arg-type]


def test_enums_cover_each_other() -> None:
    assert set(TYPES) == set(event_pb2.EventType.values()) - {0}
    assert set(TYPES.values()) == set(EventType)
    assert set(AGGREGATES) == set(event_pb2.AggregateType.values()) - {0}
    assert set(AGGREGATES.values()) == set(AggregateType)
    assert set(STANDINGS) == set(Standing)
    assert set(STANDINGS.values()) == set(timeline_pb2.Standing.values()) - {0}


DECISION = event_pb2.DecisionDetail(
    number=2,
    rule="pace",
    binding_limiter="PACE",
    binding_used=3,
    binding_max=5,
    policy_version=3,
    earliest_time=stamp(LATER),
    tightest_limit="HOURLY_CAP",
    tightest_used=12,
    tightest_max=60,
)
ATTEMPT = event_pb2.AttemptDetail(
    number=1,
    provider="whatsapp_cloud",
    provider_code="131026",
    provider_message_id="wamid.1",
    began_at=stamp(T),
    ended_at=stamp(T + timedelta(milliseconds=250)),
    next_attempt_at=stamp(LATER),
)
DELIVERY = event_pb2.DeliveryDetail(attempt_number=1, provider_code="131026", resolution="SENT", note="seen")
PAUSE = event_pb2.PauseDetail(scope="CAMPAIGN", target="black-friday", note="wrong price", paused_until=stamp(LATER))
COOLDOWN = event_pb2.CooldownDetail(level=2, end_time=stamp(LATER), failures=30, sends=200)
GROUNDS = "rule pace; decision 2, policy version 3; bound by PACE 3 of 5; HOURLY_CAP 12 of 60"
SUBMITTED = GROUNDS.replace("bound by", "submitted by crm; bound by")
BY = "inst-sp-1 through whatsapp_cloud"

SUMMARIES = [
    (
        "MESSAGE_APPROVED",
        {"decision": DECISION},
        f"Approved by the gate for inst-sp-1, not before 2026-03-02 12:05:00 UTC: {GROUNDS}",
    ),
    (
        "MESSAGE_QUEUED",
        {"decision": DECISION, "reason": "PACE"},
        f"Queued by the gate, waiting for its turn at inst-sp-1 (PACE) until 2026-03-02 12:05:00 UTC: {GROUNDS}",
    ),
    (
        "MESSAGE_BLOCKED",
        {"decision": DECISION, "reason": "OPTED_OUT", "actor": "crm"},
        f"Blocked by the gate, the recipient had opted out (OPTED_OUT): {SUBMITTED}",
    ),
    ("MESSAGE_SEND_STARTED", {"attempt": ATTEMPT}, f"Send started by {BY}, attempt 1"),
    ("MESSAGE_SENT", {"attempt": ATTEMPT}, f"Sent by {BY}, attempt 1, answered in 250 ms, as wamid.1"),
    (
        "MESSAGE_FAILED",
        {"attempt": ATTEMPT, "reason": "RECIPIENT_NEVER"},
        f"Failed for good at {BY}, attempt 1: RECIPIENT_NEVER, provider code 131026",
    ),
    (
        "MESSAGE_FAILED",
        {"delivery": DELIVERY, "reason": "UNDELIVERABLE"},
        "Failed after it was sent, attempt 1: UNDELIVERABLE, provider code 131026",
    ),
    (
        "MESSAGE_RETRY_SCHEDULED",
        {"attempt": ATTEMPT, "reason": "RATE_LIMITED"},
        f"Not sent by {BY}, attempt 1: RATE_LIMITED, provider code 131026, again at 2026-03-02 12:05:00 UTC",
    ),
    (
        "MESSAGE_HELD",
        {"hold": event_pb2.HoldDetail(control_ids=["c"], pause_reason="wrong price"), "reason": "OPS_PAUSED"},
        "Held by the executor: it was due and met a pause “wrong price” (OPS_PAUSED)",
    ),
    (
        "MESSAGE_SEND_ABORTED",
        {"attempt": event_pb2.AttemptDetail(number=1), "reason": "PERMIT_LAPSED"},
        "Stopped at the last check before inst-sp-1, attempt 1, nothing left: its permit had run out (PERMIT_LAPSED)",
    ),
    (
        "MESSAGE_OUTCOME_UNKNOWN",
        {"attempt": event_pb2.AttemptDetail(number=1), "reason": "TIMEOUT"},
        "No definite answer from inst-sp-1, attempt 1: TIMEOUT",
    ),
    (
        "MESSAGE_OUTCOME_RESOLVED",
        {"delivery": DELIVERY, "actor": "ana"},
        "Unknown outcome settled as SENT (“seen”, by ana)",
    ),
    (
        "MESSAGE_RETURNED",
        {"reason": "APPROVAL_EXPIRED"},
        "Returned to the gate to be decided again: its approval had run out",
    ),
    (
        "MESSAGE_RETRY_REQUESTED",
        {"note": event_pb2.NoteDetail(note="fixed"), "actor": "ana"},
        "Another try was asked for (“fixed”, by ana)",
    ),
    ("MESSAGE_DELIVERED", {"delivery": DELIVERY}, "Delivered to the device, attempt 1"),
    ("MESSAGE_READ", {"delivery": DELIVERY}, "Read, attempt 1"),
    ("MESSAGE_CANCELED", {"actor": "ana"}, "Canceled before it began (by ana)"),
    (
        "SUBJECT_ERASED",
        {"actor": "ana", "subject": event_pb2.SubjectDetail(note="asked by mail", intents=3, canceled=1)},
        "A recipient was erased, 3 intents forgotten, 1 of them canceled (“asked by mail”, by ana)",
    ),
    (
        "SUBJECT_EXPORTED",
        {"actor": "ana", "subject": event_pb2.SubjectDetail(note="asked by mail", intents=3)},
        "What is held about a recipient was exported, 3 intents (“asked by mail”, by ana)",
    ),
    (
        "MESSAGE_ERASED",
        {"actor": "ana", "note": event_pb2.NoteDetail(note="asked by mail")},
        "Its number and content were erased, as the person asked (“asked by mail”, by ana)",
    ),
    ("MESSAGE_EXPIRED", {}, "Expired: its expire time passed before it could be sent"),
    (
        "INSTANCE_COOLDOWN_STARTED",
        {"cooldown": COOLDOWN, "reason": "FAILURE_SHARE"},
        "Cooldown of inst-sp-1 started until 2026-03-02 12:05:00 UTC, level 2: FAILURE_SHARE, 30 of 200 sends failed",
    ),
    ("INSTANCE_COOLDOWN_ENDED", {"cooldown": COOLDOWN, "actor": "ana"}, "Cooldown of inst-sp-1 ended (by ana)"),
    ("BACKLOG_MEASURED", {"backlog": event_pb2.BacklogDetail(waiting=7)}, "7 waiting in executor"),
    (
        "EXECUTION_PAUSED",
        {"pause": PAUSE, "actor": "ana"},
        "Pause of campaign black-friday committed until 2026-03-02 12:05:00 UTC (“wrong price”, by ana)",
    ),
    (
        "EXECUTION_FENCED",
        {"pause": PAUSE},
        "Pause of campaign black-friday fenced: from here no send in it begins",
    ),
    (
        "EXECUTION_RESUMED",
        {"pause": PAUSE, "actor": "ana"},
        "Pause of campaign black-friday lifted (“wrong price”, by ana)",
    ),
    ("EXECUTION_PAUSE_EXPIRED", {"pause": PAUSE}, "Pause of campaign black-friday ended by itself"),
    ("EXECUTION_CANARY_PASSED", {"pause": PAUSE}, "Canary of campaign black-friday went well"),
    (
        "EXECUTION_CANARY_FAILED",
        {"pause": PAUSE},
        "Canary of campaign black-friday failed: it is paused again (“wrong price”)",
    ),
]


@pytest.mark.parametrize(("type_", "fields", "line"), SUMMARIES, ids=[f"{row[0]}-{list(row[1])}" for row in SUMMARIES])
def test_summary_says_what_by_whom_and_why(type_: str, fields: dict[str, object], line: str) -> None:
    body = wire_event(type_, **fields).SerializeToString()
    assert summarise(recorded(body, T).event) == line


def test_every_type_has_a_summary_that_was_read() -> None:
    assert {row[0] for row in SUMMARIES} == {one.value for one in EventType}


@pytest.mark.parametrize("type_", [one.value for one in EventType])
def test_an_event_without_its_detail_still_has_a_summary(type_: str) -> None:
    assert summarise(recorded(wire_event(type_).SerializeToString(), T).event)


BAD = {
    "no event id": {"event_id": ""},
    "an event id that is no UUIDv7": {"event_id": "0b2f2f6e-1d3a-4c7e-9d59-3f1b6f0f3f7e"},
    "no type": {"type": 0},
    "a type from the future": {"type": 999},
    "no aggregate type": {"aggregate_type": 0},
    "no time": {"occurred_at": None},
    "a time before time": {"occurred_at": Timestamp(seconds=-1)},
    "an absurd time": {"occurred_at": Timestamp(seconds=2**60)},
    "an intent that is no UUIDv7": {"aggregate_id": "1"},
    "an intent from beyond the calendar": {"aggregate_id": "ffffffff-ffff-7fff-bfff-ffffffffffff"},
    "an intent of nobody": {"organization_id": ""},
    "a zero byte": {"reason": "A\0B"},
    "an endless word": {"reason": "A" * 10_000},
    "a sequence beyond any life": {"sequence": 2**63},
    "a limit that is no number": {
        "decision": event_pb2.DecisionDetail(tightest_limit="X", tightest_used=float("nan"), tightest_max=1)
    },
    "a limit's name with a zero byte": {"decision": event_pb2.DecisionDetail(tightest_limit="X\0")},
    "an absurd time of approval": {
        "type": event_pb2.EVENT_TYPE_MESSAGE_SENT,
        "attempt": event_pb2.AttemptDetail(approved_at=Timestamp(seconds=2**60)),
    },
    "a pause of a scope with a zero byte": {"pause": event_pb2.PauseDetail(scope="\0")},
    "an absurd backlog": {
        "type": event_pb2.EVENT_TYPE_BACKLOG_MEASURED,
        "backlog": event_pb2.BacklogDetail(waiting=2**64 - 1),
    },
    "more bytes than an event can have": {"detail_note": "x" * 100_000},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_stored_is_refused_with_its_bytes(fields: dict[str, object]) -> None:
    note = fields.get("detail_note")
    own = {name: value for name, value in fields.items() if name != "detail_note"}
    if isinstance(note, str):
        own["note"] = event_pb2.NoteDetail(note=note)
    body = wire_event("MESSAGE_QUEUED", **own).SerializeToString()
    refused = parse(3, body, peer="executor", recorded_at=T)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.body, refused.position) == ("INVALID_FIELD", body, 3)


def test_bytes_that_are_no_event_are_refused_by_their_position() -> None:
    refused = parse(7, b"\xff\xff\xff", peer="gate", recorded_at=T)
    assert isinstance(refused, Refused)
    assert refused.item_id == "#7"


def test_a_service_cannot_record_in_the_name_of_another() -> None:
    refused = parse(0, wire_event("MESSAGE_SENT").SerializeToString(), peer="gate", recorded_at=T)
    assert isinstance(refused, Refused)
    assert refused.reason == "ROLE_NOT_ALLOWED"


def test_a_time_in_the_future_is_clamped_and_flagged_and_the_bytes_stay() -> None:
    body = wire_event("MESSAGE_SENT", occurred_at=stamp(LATER)).SerializeToString()
    arrival = parse(0, body, peer="executor", recorded_at=T)
    assert isinstance(arrival, Arrival)
    assert (arrival.occurred_at, arrival.clamped, arrival.body) == (T, True, body)
