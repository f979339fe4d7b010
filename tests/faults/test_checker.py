"""The checker finds each kind of violation in what was seen, and finds none in a run that holds."""

from collections import Counter
from dataclasses import replace

import pytest
from tests.faults.admin import Target
from tests.faults.checker import TRANSITIONS, Pause, Seen, judge
from tests.faults.load import Lane, Send
from tests.faults.weather import Fault

PAUSED = Lane(organization="alpha", instance="one", campaign="autumn")
OTHER = Lane(organization="alpha", instance="two", campaign="winter")
PAUSE = Pause(
    control_id="p",
    target=Target(organization="alpha", campaign="autumn"),
    asked_at=10.0,
    committed_at=10.0,
    fenced_at=10.5,
    answered_at=10.6,
    resume_asked_at=12.0,
    resumed_at=12.1,
    waiting=3,
    tries=1,
)


def sends(lane: Lane, start: float, end: float) -> list[Send]:
    """Twenty sends a second."""
    return [
        Send(at=start + number / 20, attempt=f"{lane.campaign}-{start}-{number}.1", lane=lane)
        for number in range(int((end - start) * 20))
    ]


SENDS = [*sends(PAUSED, 0, 10.4), *sends(PAUSED, 12.2, 15), *sends(OTHER, 0, 15)]
HOLDS = Seen(
    pauses=[PAUSE],
    sends=SENDS,
    arrivals=[(send.at + 0.001, send.attempt) for send in sorted(SENDS, key=lambda send: send.at)],
    faults=[],
    events={"p": Counter(TRANSITIONS)},
    others=[OTHER],
    calm_rates={OTHER: 20.0},
    ended_at=15.0,
)
LATE = Send(at=11.0, attempt="late.1", lane=PAUSED)
BROKEN = {
    "a send inside the fence": ("K1", replace(HOLDS, sends=[*SENDS, LATE])),
    "a send before Pause was answered, but after the fence": (
        "K1",
        replace(HOLDS, sends=[*SENDS, replace(LATE, at=10.55)]),
    ),
    "a first byte that no hook let go": ("K1", replace(HOLDS, arrivals=[(11.0, "nobody.1")])),
    "nothing is sent after the resume": ("K2", replace(HOLDS, sends=[send for send in SENDS if send.at < 12.2])),
    "others stand still too": (
        "K4",
        replace(HOLDS, sends=[send for send in SENDS if send.lane == PAUSED or not 10.5 < send.at < 12], arrivals=[]),
    ),
    "a transition without an event": ("K5", replace(HOLDS, events={"p": Counter(("PAUSED", "RESUMED"))})),
    "a transition told twice": ("K5", replace(HOLDS, events={"p": Counter((*TRANSITIONS, "FENCED"))})),
}


def test_a_run_that_holds_has_no_violation_and_was_put_to_the_test() -> None:
    verdict = judge(HOLDS)
    assert verdict.holds, verdict.violations
    assert (verdict.counted, verdict.resumes_judged, verdict.events_judged) == (1, 1, 1)
    assert verdict.others_judged == pytest.approx(1.5)
    assert verdict.others_share == pytest.approx(1.0)


@pytest.mark.parametrize("name", BROKEN)
def test_each_violation_is_found(name: str) -> None:
    claim, seen = BROKEN[name]
    verdict = judge(seen)
    assert [broken for broken, found in verdict.violations.items() if found] == [claim]


def test_a_pause_of_what_does_not_send_or_has_nothing_waiting_does_not_count() -> None:
    silent = replace(HOLDS, sends=[send for send in SENDS if send.lane == OTHER or send.at < 9.4 or send.at > 12])
    assert judge(silent).counted == 0
    assert judge(replace(HOLDS, pauses=[replace(PAUSE, waiting=0)])).counted == 0


def test_what_a_fault_explains_is_not_held_against_resumes_and_other_scopes() -> None:
    fault = Fault(kind="kill -9, executor", target="executor", began_at=11.9, ended_at=12.0)
    still = replace(
        HOLDS, sends=[send for send in SENDS if send.at < 10.4 or send.at > 13.4], arrivals=[], faults=[fault]
    )
    verdict = judge(still)
    assert verdict.holds, verdict.violations
    assert (verdict.resumes_judged, verdict.others_judged) == (0, 0.0)
