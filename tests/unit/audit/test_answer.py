"""The answer on top of a timeline, for every state an intent can be in."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.domain.answer import Standing, answer, settled_at
from audit.domain.event import Attempt, Decision, Delivery, Detail, Event, EventType, Hold, Note, Pause
from audit.domain.pauses import KnownPause, known_pauses

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
INSTANCE = "inst-sp-1"


def event(kind: str, detail: Detail | None = None, *, reason: str = "", actor: str = "", after: int = 0) -> Event:
    """Make an event of the intent, `after` seconds into its life."""
    return Event(
        event_id=f"{after:08d}",
        type=EventType(kind),
        occurred_at=T + timedelta(seconds=after),
        instance_id=INSTANCE,
        reason=reason,
        actor=actor,
        detail=detail or Note(),
    )


def sent(after: int = 2) -> Event:
    return event("MESSAGE_SENT", Attempt(number=1, provider="whatsapp_cloud"), after=after)


PAUSE = KnownPause(
    control_id="c-1",
    scope="CAMPAIGN",
    target="black-friday",
    note="wrong price",
    actor="ana",
    paused_until=None,
    began_at=T,
    ended_at=None,
)
ENDING = T + timedelta(minutes=5)
BOUNDED_PAUSE = KnownPause(
    control_id="c-2",
    scope="INSTANCE",
    target=INSTANCE,
    note="",
    actor="bia",
    paused_until=ENDING,
    began_at=T,
    ended_at=None,
)
LIFTED_PAUSE = KnownPause(
    control_id="c-1",
    scope="CAMPAIGN",
    target="black-friday",
    note="wrong price",
    actor="ana",
    paused_until=None,
    began_at=T,
    ended_at=T + timedelta(seconds=10),
)
THE_PAUSE = "the pause of campaign black-friday (“wrong price”, by ana)"

CASES = {
    "sent": ([sent()], (), Standing.SENT, "Sent at 2026-03-02 12:00:02 UTC by inst-sp-1"),
    "delivered": (
        [sent(), event("MESSAGE_DELIVERED", Delivery(), after=5)],
        (),
        Standing.SENT,
        "Sent at 2026-03-02 12:00:02 UTC by inst-sp-1, delivered at 2026-03-02 12:00:05 UTC",
    ),
    "read, its delivery reported before the answer was stored": (
        [event("MESSAGE_DELIVERED", Delivery(), after=2), sent(3), event("MESSAGE_READ", Delivery(), after=9)],
        (),
        Standing.SENT,
        (
            "Sent at 2026-03-02 12:00:03 UTC by inst-sp-1, delivered at 2026-03-02 12:00:02 UTC, "
            "read at 2026-03-02 12:00:09 UTC"
        ),
    ),
    "a failure told after it was delivered changes nothing": (
        [
            sent(),
            event("MESSAGE_DELIVERED", Delivery(), after=5),
            event("MESSAGE_FAILED", Delivery(), reason="UNDELIVERABLE", after=6),
        ],
        (),
        Standing.SENT,
        "Sent at 2026-03-02 12:00:02 UTC by inst-sp-1, delivered at 2026-03-02 12:00:05 UTC",
    ),
    "failed after it was sent": (
        [sent(), event("MESSAGE_FAILED", Delivery(provider_code="131026"), reason="UNDELIVERABLE", after=6)],
        (),
        Standing.NOT_SENT,
        (
            "Not delivered: sent at 2026-03-02 12:00:02 UTC by inst-sp-1, failed at 2026-03-02 12:00:06 UTC: "
            "UNDELIVERABLE, provider code 131026"
        ),
    ),
    "rejected": (
        [event("MESSAGE_FAILED", Attempt(number=1, provider_code="131026"), reason="RECIPIENT_NEVER")],
        (),
        Standing.NOT_SENT,
        "Not sent: failed at inst-sp-1: RECIPIENT_NEVER, provider code 131026",
    ),
    "attempts used up": (
        [event("MESSAGE_FAILED", Attempt(number=5), reason="ATTEMPTS_EXHAUSTED")],
        (),
        Standing.NOT_SENT,
        "Not sent: failed at inst-sp-1 after 5 attempts: its attempts were used up (ATTEMPTS_EXHAUSTED)",
    ),
    "opted out": (
        [event("MESSAGE_BLOCKED", Decision(rule="suppressed"), reason="OPTED_OUT")],
        (),
        Standing.NOT_SENT,
        "Not sent: the recipient had opted out (OPTED_OUT)",
    ),
    "blocked for a reason without a phrase": (
        [event("MESSAGE_BLOCKED", Decision(), reason="SOMETHING_NEW")],
        (),
        Standing.NOT_SENT,
        "Not sent: SOMETHING_NEW",
    ),
    "blocked by a pause": (
        [event("MESSAGE_BLOCKED", Decision(), reason="OPS_PAUSED", after=5)],
        (LIFTED_PAUSE,),
        Standing.NOT_SENT,
        f"Not sent: {THE_PAUSE} held when it was submitted (OPS_PAUSED)",
    ),
    "canceled": (
        [event("MESSAGE_CANCELED", Note(note="wrong list"), actor="ana")],
        (),
        Standing.NOT_SENT,
        "Not sent: canceled at 2026-03-02 12:00:00 UTC (“wrong list”, by ana)",
    ),
    "expired": (
        [event("MESSAGE_QUEUED", Decision(), reason="PACE"), event("MESSAGE_EXPIRED", after=60)],
        (),
        Standing.NOT_SENT,
        "Not sent: its expire time passed at 2026-03-02 12:01:00 UTC while it waited",
    ),
    "queued for the pace": (
        [event("MESSAGE_QUEUED", Decision(earliest_time=ENDING), reason="PACE")],
        (),
        Standing.WAITING,
        "Waiting for its turn at inst-sp-1 (PACE) until 2026-03-02 12:05:00 UTC",
    ),
    "queued for a cap": (
        [event("MESSAGE_QUEUED", Decision(binding_limiter="HOURLY_CAP", earliest_time=ENDING), reason="INSTANCE_CAP")],
        (),
        Standing.WAITING,
        "Waiting for room under HOURLY_CAP of inst-sp-1 (INSTANCE_CAP) until 2026-03-02 12:05:00 UTC",
    ),
    "queued while control is away": (
        [event("MESSAGE_QUEUED", Decision(), reason="CONTROL_UNREACHABLE")],
        (),
        Standing.WAITING,
        "Waiting for the control service to answer (CONTROL_UNREACHABLE)",
    ),
    "queued for the pace, and paused meanwhile": (
        [event("MESSAGE_QUEUED", Decision(earliest_time=ENDING), reason="PACE")],
        (PAUSE,),
        Standing.WAITING,
        f"Waiting for {THE_PAUSE} until it is lifted",
    ),
    "approved": (
        [event("MESSAGE_APPROVED", Decision(approved_until=ENDING))],
        (),
        Standing.WAITING,
        "Waiting to be sent by inst-sp-1, approved until 2026-03-02 12:05:00 UTC",
    ),
    "held by a pause with an end": (
        [event("MESSAGE_HELD", Hold(control_ids=("c-2",), paused_until=ENDING), reason="OPS_PAUSED")],
        (BOUNDED_PAUSE,),
        Standing.WAITING,
        "Waiting for the pause of instance inst-sp-1 (by bia) until 2026-03-02 12:05:00 UTC",
    ),
    "held by two pauses, one of them without an end": (
        [event("MESSAGE_HELD", Hold(control_ids=("c-1", "c-2")), reason="OPS_PAUSED")],
        (PAUSE, BOUNDED_PAUSE),
        Standing.WAITING,
        f"Waiting for {THE_PAUSE} and the pause of instance inst-sp-1 (by bia) until it is lifted",
    ),
    "held by a pause that was lifted": (
        [event("MESSAGE_HELD", Hold(control_ids=("c-1",)), reason="OPS_PAUSED")],
        (LIFTED_PAUSE,),
        Standing.WAITING,
        f"Waiting to be sent by inst-sp-1: {THE_PAUSE} has ended",
    ),
    "held by a pause whose own events have not arrived": (
        [event("MESSAGE_HELD", Hold(control_ids=("c-9",), pause_reason="audit"), reason="OPS_PAUSED")],
        (),
        Standing.WAITING,
        "Waiting for a pause (“audit”) until it is lifted",
    ),
    "held while control is away": (
        [event("MESSAGE_HELD", Hold(), reason="CONTROL_UNREACHABLE")],
        (),
        Standing.WAITING,
        "Waiting for the control service to answer (CONTROL_UNREACHABLE)",
    ),
    "to be tried again": (
        [event("MESSAGE_RETRY_SCHEDULED", Attempt(number=1, next_attempt_at=ENDING), reason="RATE_LIMITED")],
        (),
        Standing.WAITING,
        "Waiting for attempt 2 until 2026-03-02 12:05:00 UTC: RATE_LIMITED",
    ),
    "stopped by the last check": (
        [event("MESSAGE_SEND_STARTED", Attempt()), event("MESSAGE_SEND_ABORTED", Attempt(), after=1)],
        (),
        Standing.WAITING,
        "Waiting to be sent by inst-sp-1: the last check stopped it, nothing left",
    ),
    "returned": (
        [event("MESSAGE_RETURNED", reason="APPROVAL_EXPIRED")],
        (),
        Standing.WAITING,
        "Waiting for the gate to decide again: its approval had run out",
    ),
    "returned because another try was asked for": (
        [
            event("MESSAGE_RETRY_REQUESTED", Note(note="number fixed"), actor="ana"),
            event("MESSAGE_RETURNED", reason="RETRY_REQUESTED"),
        ],
        (),
        Standing.WAITING,
        "Waiting for the gate to decide again: another try was asked for",
    ),
    "unknown, settled as not sent, to be tried again": (
        [
            event("MESSAGE_OUTCOME_RESOLVED", Delivery(resolution="NOT_SENT")),
            event("MESSAGE_RETRY_SCHEDULED", Attempt(number=1, next_attempt_at=ENDING), reason="RATE_LIMITED"),
        ],
        (),
        Standing.WAITING,
        "Waiting for attempt 2 until 2026-03-02 12:05:00 UTC: RATE_LIMITED",
    ),
    "settled as sent, then failed": (
        [
            event("MESSAGE_OUTCOME_RESOLVED", Delivery(resolution="SENT")),
            event("MESSAGE_FAILED", Delivery(provider_code="131026"), reason="UNDELIVERABLE", after=3),
        ],
        (),
        Standing.NOT_SENT,
        "Not delivered: sent by inst-sp-1, failed at 2026-03-02 12:00:03 UTC: UNDELIVERABLE, provider code 131026",
    ),
    "another try asked for": (
        [event("MESSAGE_RETRY_REQUESTED", Note(note="number fixed"), actor="ana")],
        (),
        Standing.WAITING,
        "Waiting for the gate to decide again: another try was asked for (“number fixed”, by ana)",
    ),
    "being sent": (
        [event("MESSAGE_SEND_STARTED", Attempt(number=1))],
        (),
        Standing.UNKNOWN,
        "Being sent by inst-sp-1 since 2026-03-02 12:00:00 UTC: no answer yet",
    ),
    "being sent again after an unknown one that was delivered": (
        [
            event("MESSAGE_OUTCOME_UNKNOWN", Attempt(number=1), reason="TIMEOUT"),
            event("MESSAGE_SEND_STARTED", Attempt(number=2), after=5),
        ],
        (),
        Standing.UNKNOWN,
        "Being sent by inst-sp-1 since 2026-03-02 12:00:05 UTC: no answer yet",
    ),
    "unknown": (
        [event("MESSAGE_OUTCOME_UNKNOWN", Attempt(number=1), reason="TIMEOUT")],
        (),
        Standing.UNKNOWN,
        "Unknown: inst-sp-1 got no definite answer at 2026-03-02 12:00:00 UTC (TIMEOUT); it is not repeated by itself",
    ),
    "unknown, then delivered": (
        [
            event("MESSAGE_OUTCOME_UNKNOWN", Attempt(number=1), reason="TIMEOUT"),
            event("MESSAGE_DELIVERED", Delivery(), after=4),
        ],
        (),
        Standing.SENT,
        "Sent by inst-sp-1, delivered at 2026-03-02 12:00:04 UTC",
    ),
    "unknown, settled as sent": (
        [event("MESSAGE_OUTCOME_RESOLVED", Delivery(resolution="SENT", note="seen on the phone"), actor="ana")],
        (),
        Standing.SENT,
        "Sent by inst-sp-1: its unknown outcome was settled at 2026-03-02 12:00:00 UTC (“seen on the phone”, by ana)",
    ),
    "unknown, settled as not sent": (
        [event("MESSAGE_OUTCOME_RESOLVED", Delivery(resolution="NOT_SENT"), actor="ana")],
        (),
        Standing.NOT_SENT,
        "Not sent: its unknown outcome was settled at 2026-03-02 12:00:00 UTC (by ana)",
    ),
    "unknown, to be sent again": (
        [event("MESSAGE_OUTCOME_RESOLVED", Delivery(resolution="RESEND"), actor="ana")],
        (),
        Standing.WAITING,
        "Waiting for the gate to decide again: to be sent again, settled at 2026-03-02 12:00:00 UTC (by ana)",
    ),
}


@pytest.mark.parametrize(("own", "pauses", "standing", "text"), CASES.values(), ids=CASES.keys())
def test_answer_says_where_it_stands_and_why(
    own: list[Event], pauses: tuple[KnownPause, ...], standing: Standing, text: str
) -> None:
    said = answer(own, pauses, pending=0, now=T + timedelta(seconds=60))
    assert (said.standing, said.text) == (standing, text)


def test_answer_tells_of_events_still_on_their_way() -> None:
    said = answer([sent()], (), pending=2, now=T)
    assert said.text.endswith("(2 earlier events are still on the way)")


def test_what_can_no_longer_be_stopped_is_settled_and_what_waits_is_not() -> None:
    assert settled_at([sent(2), event("MESSAGE_DELIVERED", Delivery(), after=9)]) == T + timedelta(seconds=2)
    assert settled_at([event("MESSAGE_BLOCKED", Decision(), after=1)]) == T + timedelta(seconds=1)
    assert settled_at([event("MESSAGE_QUEUED", Decision(), after=1)]) is None
    assert settled_at([event("MESSAGE_OUTCOME_RESOLVED", Delivery(resolution="RESEND"))]) is None


def test_a_pause_is_put_together_from_its_events_in_any_order() -> None:
    begun = Event(
        event_id="1",
        type=EventType.EXECUTION_PAUSED,
        occurred_at=T,
        aggregate_id="c-1",
        actor="ana",
        detail=Pause(scope="CAMPAIGN", target="black-friday", note="wrong price", paused_at=T),
    )
    lifted = Event(
        event_id="2",
        type=EventType.EXECUTION_RESUMED,
        occurred_at=T + timedelta(seconds=10),
        aggregate_id="c-1",
        actor="bia",
        detail=Pause(scope="CAMPAIGN", target="black-friday", note="price right again", paused_at=T),
    )
    assert known_pauses([lifted, begun]) == known_pauses([begun, lifted]) == (LIFTED_PAUSE,)
    (alone,) = known_pauses([lifted])
    assert (alone.began_at, alone.note) == (T, "")
