"""What is said of pauses: whose they are, and how it goes on after them, whatever order their events came in."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from audit.domain.answer import answer
from audit.domain.event import Decision, Event, EventType, Pause
from audit.domain.pauses import known_pauses, over_at
from audit.domain.summary import summarise

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
RAMP = "RAMP from 10 % in 60 s"
CANARY = "CANARY of 20, at most 5 % failed, watched for 30 s"
WAITS = Event(
    event_id="1",
    type=EventType.MESSAGE_APPROVED,
    occurred_at=T - timedelta(minutes=1),
    instance_id="inst-1",
    detail=Decision(approved_until=T + timedelta(minutes=10)),
)
NEXT = "Waiting to be sent by inst-1, approved until 2026-03-02 12:10:00 UTC"
NAMED = "the manual pause of campaign welcome (“wrong price”, by ana)"


def step(kind: str, after: float, *, control_id: str = "c-1", **fields: object) -> Event:
    """Make an event of a manual pause of `welcome` by ana, `after` seconds after it began."""
    actor = str(fields.pop("actor", "ana"))
    detail = {"scope": "CAMPAIGN", "target": "welcome", "source": "MANUAL", "note": "wrong price", "paused_at": T}
    return Event(
        event_id=f"{kind}-{after}",
        type=EventType(f"EXECUTION_{kind}"),
        occurred_at=T + timedelta(seconds=after),
        aggregate_id=control_id,
        actor=actor,
        detail=Pause(**{**detail, **fields}),  # type: ignore[arg-type]
    )


PAUSED = step("PAUSED", 0)
FENCED = step("FENCED", 0.5)


def resumed(plan: str) -> Event:
    return step("RESUMED", 100, plan=plan, note="fixed", actor="bia")


TOOK_ITS_PLACE = step(
    "PAUSED", 130, control_id="c-2", source="AUTO", note="3 of 20 failed", actor="control", paused_at=T
)
COURSES = {
    "paused": ([PAUSED, FENCED], 50, f"Waiting for {NAMED} until it is lifted"),
    "resumed at once": ([PAUSED, FENCED, resumed("IMMEDIATE")], 101, NEXT),
    "on the ramp": (
        [PAUSED, FENCED, resumed(RAMP)],
        159,
        f"{NEXT}; {NAMED} was lifted and the pace grows until 2026-03-02 12:02:40 UTC ({RAMP})",
    ),
    "after the ramp": ([PAUSED, FENCED, resumed(RAMP)], 161, NEXT),
    "canary": (
        [PAUSED, FENCED, resumed(CANARY)],
        5_000,
        f"{NEXT}; {NAMED} was lifted and a few are tried first ({CANARY})",
    ),
    "canary passed": (
        [PAUSED, resumed(CANARY), step("CANARY_PASSED", 140, plan=RAMP)],
        150,
        f"{NEXT}; {NAMED} was lifted and the pace grows until 2026-03-02 12:03:20 UTC ({RAMP})",
    ),
    "canary failed": (
        [PAUSED, resumed(CANARY), step("CANARY_FAILED", 130), TOOK_ITS_PLACE],
        150,
        "Waiting for the automatic pause of campaign welcome (“3 of 20 failed”, by control) until it is lifted",
    ),
    "held by several": (
        [
            PAUSED,
            step(
                "PAUSED", 1, control_id="c-3", scope="PLATFORM", target="", source="PLATFORM", note="stop", actor="ops"
            ),
        ],
        50,
        f"Waiting for {NAMED} and the platform's pause of the whole platform (“stop”, by ops) until it is lifted",
    ),
    "one of several lifted along a ramp": (
        [PAUSED, resumed(RAMP), step("PAUSED", 1, control_id="c-3", source="PROVIDER", note="locked", actor="gate")],
        120,
        "Waiting for the provider's pause of campaign welcome (“locked”, by gate) until it is lifted",
    ),
}


@pytest.mark.parametrize(("events", "after", "text"), COURSES.values(), ids=COURSES.keys())
def test_the_answer_says_what_it_waits_for_in_whatever_order_the_events_came(
    events: list[Event], after: float, text: str
) -> None:
    now = T + timedelta(seconds=after)
    said = {answer([WAITS], known_pauses(order), pending=0, now=now).text for order in permutations(events)}
    assert said == {text}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (PAUSED, "Manual pause of campaign welcome committed (“wrong price”, by ana)"),
        (
            step(
                "PAUSED", 0, source="PROVIDER", paused_until=T + timedelta(hours=1), note="account locked", actor="gate"
            ),
            "Provider's pause of campaign welcome committed until 2026-03-02 13:00:00 UTC (“account locked”, by gate)",
        ),
        (
            resumed(RAMP),
            (
                "Manual pause of campaign welcome lifted (“fixed”, by bia): "
                f"the pace grows until 2026-03-02 12:02:40 UTC ({RAMP})"
            ),
        ),
        (resumed("IMMEDIATE"), "Manual pause of campaign welcome lifted (“fixed”, by bia): at full pace at once"),
        (
            step("CANARY_PASSED", 140, plan=RAMP),
            f"Canary of campaign welcome went well: the pace grows until 2026-03-02 12:03:20 UTC ({RAMP})",
        ),
    ],
    ids=["manual", "provider", "ramp", "immediate", "canary-passed"],
)
def test_the_line_of_a_pause_says_whose_it_is_and_how_it_goes_on(event: Event, text: str) -> None:
    assert summarise(event) == text


@pytest.mark.parametrize(
    ("kind", "plan", "over_after"),
    [
        ("PAUSED", "", None),
        ("PAUSE_EXPIRED", "", 0),
        ("RESUMED", "", 0),
        ("RESUMED", "IMMEDIATE", 0),
        ("RESUMED", RAMP, 60),
        ("RESUMED", "RAMP from 10 % in 9999999999 s", 0),
        ("RESUMED", CANARY, None),
        ("CANARY_PASSED", RAMP, 60),
        ("CANARY_FAILED", "", 0),
    ],
)
def test_a_pause_concerns_intents_until_the_full_pace(kind: str, plan: str, over_after: int | None) -> None:
    expected = None if over_after is None else T + timedelta(seconds=over_after)
    assert over_at(EventType(f"EXECUTION_{kind}"), plan, T) == expected
