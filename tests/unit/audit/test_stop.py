"""When sending really stopped: the last send is found, and one that began inside the fence is never hidden."""

from datetime import UTC, datetime, timedelta

from audit.domain.event import Attempt, Event, EventType, Pause
from audit.domain.stop import Window, tell, window
from audit.domain.timeline import Read, Recorded

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
FENCED_AFTER = 0.56


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def step(kind: str, seconds: float, *, actor: str = "ana", note: str = "wrong price", **fields: object) -> Recorded:
    fenced_at = None if kind == "PAUSED" else at(FENCED_AFTER)
    detail = {"scope": "CAMPAIGN", "target": "welcome", "source": "MANUAL", "paused_at": T, "fenced_at": fenced_at}
    event = Event(
        event_id=f"{kind}-{seconds}",
        type=EventType(f"EXECUTION_{kind}"),
        occurred_at=at(seconds),
        aggregate_id="c-1",
        actor=actor,
        detail=Pause(**{**detail, "note": note, **fields}),  # type: ignore[arg-type]
    )
    return Recorded(event=event, body=b"", recorded_at=T)


def send(began: float | None, *, kind: str = "SENT", intent: str = "i") -> Recorded:
    event = Event(
        event_id=f"{kind}-{began}",
        type=EventType(f"MESSAGE_{kind}"),
        occurred_at=at((began or 0) + 0.3),
        aggregate_id=intent,
        instance_id="inst-1",
        detail=Attempt(number=1, began_at=None if began is None else at(began)),
    )
    return Recorded(event=event, body=b"", recorded_at=T)


PAUSED, FENCED = step("PAUSED", 0), step("FENCED", FENCED_AFTER)
RESUMED = step("RESUMED", 60, actor="bia", note="fixed", plan="IMMEDIATE")
MADE = "Manual pause of campaign welcome (“wrong price”, by ana) at 2026-03-02 12:00:00.000 UTC"
STOOD = "fenced 560 ms later at 2026-03-02 12:00:00.560 UTC"
LIFTED = "2026-03-02 12:01:00.000 UTC: Manual pause of campaign welcome lifted (“fixed”, by bia): at full pace at once"


def test_the_last_send_that_began_is_told_whatever_order_outcomes_came_in() -> None:
    sends = [
        send(61),
        send(-0.2),
        send(0.31, intent="last"),
        send(0.1, kind="FAILED"),
        send(None, kind="OUTCOME_UNKNOWN"),
    ]
    stop = tell([RESUMED, FENCED, PAUSED], Read(events=sends))
    assert stop.answer == (
        f"{MADE}; {STOOD}; the last send began at 2026-03-02 12:00:00.310 UTC (intent last by inst-1), "
        f"250 ms before the fence, and none after it; {LIFTED}"
    )
    assert stop.last is not None
    assert (stop.last.began_at, stop.last.outcome) == (at(0.31), sends[2])
    assert (stop.begun_before_fence, stop.begun_after_fence, stop.unaccounted, stop.partial) == (2, 0, 1, False)
    assert [entry.recorded for entry in stop.entries] == [PAUSED, FENCED, RESUMED]


def test_a_send_inside_the_fence_is_said_aloud() -> None:
    stop = tell([PAUSED, FENCED], Read(events=[send(0.2), send(3)], whole=False))
    assert stop.begun_after_fence == 1
    assert ", 1 began AFTER the fence; it still holds" in stop.answer
    assert stop.partial


def test_a_pause_without_a_fence_or_sends_says_so() -> None:
    stop = tell([PAUSED], Read(events=[]))
    nothing = "no send began in the minute before it, nor while it held"
    assert stop.answer == f"{MADE}; its fence has not been recorded; {nothing}; it still holds"
    assert stop.last is None


def test_the_window_is_the_minutes_around_the_fence_in_its_scope() -> None:
    assert window([RESUMED.event, PAUSED.event]) == Window(
        campaign_id="welcome", instance_id="", start=at(-60), end=at(FENCED_AFTER + 120)
    )
