"""What an intent went through, as stretches of time: each kind of life once."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.domain.event import Attempt, Cooldown, Decision, Event, EventType, Hold, Note, Pause
from audit.domain.phases import phases

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def event(kind: str, sequence: int, seconds: float, **fields: object) -> Event:
    """Make an event, `seconds` after T."""
    return Event(
        event_id=f"{sequence:04d}",
        type=EventType(kind),
        occurred_at=at(seconds),
        sequence=sequence,
        instance_id="inst-1",
        **fields,  # type: ignore[arg-type]
    )


def tried(number: int, began: float | None, ended: float, **fields: object) -> Attempt:
    began_at = None if began is None else at(began)
    return Attempt(number=number, provider="cloud", began_at=began_at, ended_at=at(ended), **fields)  # type: ignore[arg-type]


QUEUED = event("MESSAGE_QUEUED", 1, 0.1, reason="PACE", detail=Decision(submitted_at=T))
APPROVED = event("MESSAGE_APPROVED", 2, 5, detail=Decision(submitted_at=T))
HELD = event("MESSAGE_HELD", 3, 6, detail=Hold(control_ids=("c",), pause_reason="wrong price"))
STARTED = event("MESSAGE_SEND_STARTED", 4, 20, detail=Attempt(number=1, taken_at=at(19.9)))
SENT = event("MESSAGE_SENT", 5, 20.5, detail=tried(1, 20.1, 20.4))
DELIVERED = event("MESSAGE_DELIVERED", 6, 22)
READ = event("MESSAGE_READ", 7, 90)
RETRIED = event("MESSAGE_RETRY_SCHEDULED", 5, 21, reason="THROTTLED", detail=tried(1, 20.1, 20.9, provider_code="4"))
UNKNOWN = event("MESSAGE_OUTCOME_UNKNOWN", 5, 50, reason="LEASE_LAPSED", detail=tried(1, None, 50))

GATE = [("DECIDED", 0, 0.1), ("QUEUED", 0.1, 5), ("WAITING", 5, 6), ("HELD", 6, 20)]
LIVES = {
    "read": (
        [QUEUED, APPROVED, HELD, STARTED, SENT, DELIVERED, READ],
        [*GATE, ("ATTEMPT", 19.9, 20.5), ("PROVIDER", 20.1, 20.4), ("DELIVERY", 20.5, 22), ("READING", 22, 90)],
    ),
    "read without a word of delivery": (
        [QUEUED, APPROVED, STARTED, SENT, READ, DELIVERED],
        [*GATE[:2], ("WAITING", 5, 20), ("ATTEMPT", 19.9, 20.5), ("PROVIDER", 20.1, 20.4), ("DELIVERY", 20.5, 90)],
    ),
    "tried again": (
        [QUEUED, APPROVED, HELD, STARTED, RETRIED],
        [*GATE, ("ATTEMPT", 19.9, 21), ("PROVIDER", 20.1, 20.9), ("WAITING", 21, None)],
    ),
    "unknown": ([QUEUED, APPROVED, HELD, STARTED, UNKNOWN], [*GATE, ("ATTEMPT", 19.9, 50)]),
    "being sent": ([QUEUED, APPROVED, HELD, STARTED], [*GATE, ("ATTEMPT", 19.9, None)]),
    "its start has not arrived": (
        [QUEUED, APPROVED, SENT],
        [*GATE[:2], ("WAITING", 5, 20.5), ("ATTEMPT", 20.1, 20.4), ("PROVIDER", 20.1, 20.4)],
    ),
    "blocked": (
        [event("MESSAGE_BLOCKED", 1, 0.2, reason="OPTED_OUT", detail=Decision(submitted_at=T))],
        [("DECIDED", 0, 0.2)],
    ),
    "returned": (
        [APPROVED, event("MESSAGE_RETURNED", 3, 700, reason="APPROVAL_EXPIRED", detail=Note())],
        [("WAITING", 5, 700), ("QUEUED", 700, None)],
    ),
    "canceled": ([QUEUED, event("MESSAGE_CANCELED", 2, 3)], [("DECIDED", 0, 0.1), ("QUEUED", 0.1, 3)]),
}


@pytest.mark.parametrize(("own", "expected"), LIVES.values(), ids=LIVES)
def test_each_stretch_is_told_once(own: list[Event], expected: list[tuple[str, float, float | None]]) -> None:
    found = phases(own, [])
    assert [(one.kind.value, one.start, one.end) for one in found] == sorted(
        [(kind, at(start), None if end is None else at(end)) for kind, start, end in expected], key=lambda one: one[1]
    )


def test_labels_name_what_was_waited_for_and_what_failed() -> None:
    labels = {one.kind.value: one.label for one in phases([QUEUED, APPROVED, HELD, STARTED, RETRIED], [])}
    assert labels == {
        "DECIDED": "queued",
        "QUEUED": "for its turn at inst-1 (PACE)",
        "WAITING": "for attempt 2",
        "HELD": "by a pause “wrong price”",
        "ATTEMPT": "1 by inst-1",
        "PROVIDER": "cloud: THROTTLED, provider code 4",
    }


def test_a_clock_that_went_back_makes_no_negative_stretch() -> None:
    back = event("MESSAGE_SENT", 5, 3, detail=tried(1, 4, 3.5))
    assert all(one.end is None or one.end >= one.start for one in phases([QUEUED, APPROVED, back, DELIVERED], []))


def test_what_lasts_when_events_are_left_out_has_no_bar() -> None:
    own = [HELD, event("MESSAGE_HELD", 900, 900, detail=Hold()), event("MESSAGE_SEND_STARTED", 901, 905)]
    found = phases(own, [], broken_at=900)
    assert [(one.kind.value, one.start, one.end) for one in found] == [("HELD", at(900), at(905))]


def test_pauses_and_cooldowns_come_last() -> None:
    pause = {"scope": "CAMPAIGN", "target": "welcome", "source": "MANUAL", "paused_at": at(-9)}
    cooldown = Cooldown(start_time=at(1), end_time=at(60))
    around = [
        event("EXECUTION_PAUSED", 0, -9, aggregate_id="p", detail=Pause(**pause)),  # type: ignore[arg-type]
        event("INSTANCE_COOLDOWN_STARTED", 0, 1, reason="FAILURE_SHARE", detail=cooldown),
        event("INSTANCE_COOLDOWN_ENDED", 0, 30, detail=cooldown),
    ]
    told = [(one.kind.value, one.start, one.end, one.label) for one in phases([QUEUED], around)]
    assert told[2:] == [
        ("PAUSE", at(-9), None, "the manual pause of campaign welcome"),
        ("COOLDOWN", at(1), at(30), "the cooldown of inst-1: FAILURE_SHARE"),
    ]
