"""What a pause may become, what it covers, and how long its fence takes."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.control.memory import START, TTL_MAX, order

from control.domain.coverage import Coverage, Sending, ends_at, overlaps
from control.domain.fence import FenceRule, granted_ttl
from control.domain.pause import PLATFORM, Pause, Scope, State
from control.domain.resumption import Immediate
from kernel.ids import ControlId, OrganizationId, uuid7

LATER = START + timedelta(seconds=5)


def begun(**values: object) -> Pause:
    return Pause.begin(order(**values), control_id=ControlId(uuid7()), version=1, ttl_max=TTL_MAX, at=START)


def in_state(state: State) -> Pause:
    pause = begun(paused_until=LATER)
    match state:
        case State.PAUSING:
            return pause
        case State.FENCED:
            return pause.fence(version=2, at=START)
        case State.RESUMED:
            return pause.resume(version=2, at=START, by="ana", reason="fixed", request_id="go-1", plan=Immediate())
        case State.EXPIRED:
            return pause.expire(version=2, at=LATER)


_ALLOWED = {
    (State.PAUSING, "fence"): State.FENCED,
    (State.PAUSING, "resume"): State.RESUMED,
    (State.PAUSING, "expire"): State.EXPIRED,
    (State.FENCED, "resume"): State.RESUMED,
    (State.FENCED, "expire"): State.EXPIRED,
}


def move(pause: Pause, step: str) -> Pause:
    match step:
        case "fence":
            return pause.fence(version=3, at=LATER)
        case "resume":
            return pause.resume(version=3, at=LATER, by="eva", reason="fixed", request_id="go-2", plan=Immediate())
        case _:
            return pause.expire(version=3, at=LATER)


@pytest.mark.parametrize(("state", "step"), list(product(State, ["fence", "resume", "expire"])))
def test_a_pause_moves_only_forward(state: State, step: str) -> None:
    pause, expected = in_state(state), _ALLOWED.get((state, step))
    if expected is None:
        with pytest.raises(ValueError, match="pause"):
            move(pause, step)
    else:
        assert (move(pause, step).state, move(pause, step).version) == (expected, 3)


def test_a_pause_does_not_expire_before_its_time() -> None:
    with pytest.raises(ValueError, match="paused_until"):
        begun(paused_until=LATER).expire(version=2, at=LATER - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="paused_until"):
        begun(paused_until=None).expire(version=2, at=LATER)


_WHOLE = {"scope": Scope.ORGANIZATION, "target": ""}
_EVERYTHING = {"scope": Scope.PLATFORM, "target": "", "organization_id": PLATFORM}
_NUMBER = {"scope": Scope.INSTANCE, "target": "sp-1"}
_CAMPAIGN = {"scope": Scope.CAMPAIGN, "target": "welcome"}


@pytest.mark.parametrize(
    ("values", "sending", "covered"),
    [
        pytest.param(_NUMBER, Sending("demo", "sp-1", "welcome"), True, id="its number"),
        pytest.param(_NUMBER, Sending("demo", "sp-2", "welcome"), False, id="another number"),
        pytest.param(_NUMBER, Sending("demo", "", "welcome"), False, id="a number not chosen yet"),
        pytest.param(_NUMBER, Sending("demo", "welcome", "sp-1"), False, id="a campaign called like the number"),
        pytest.param(_NUMBER, Sending("other", "sp-1", "welcome"), False, id="another organization's number"),
        pytest.param(_CAMPAIGN, Sending("demo", "sp-1", "welcome"), True, id="its campaign"),
        pytest.param(_CAMPAIGN, Sending("demo", "sp-1", "spring"), False, id="another campaign"),
        pytest.param(_CAMPAIGN, Sending("demo", "sp-1", ""), False, id="no campaign"),
        pytest.param(_CAMPAIGN, Sending("other", "sp-1", "welcome"), False, id="another organization's campaign"),
        pytest.param(_WHOLE, Sending("demo", "", ""), True, id="its organization"),
        pytest.param(_WHOLE, Sending("other", "sp-1", "welcome"), False, id="another organization"),
        pytest.param(_EVERYTHING, Sending("demo", "", ""), True, id="the platform covers one"),
        pytest.param(_EVERYTHING, Sending("other", "sp-1", "welcome"), True, id="the platform covers another"),
    ],
)
def test_what_a_pause_covers(values: dict[str, object], sending: Sending, covered: bool) -> None:
    pause = begun(**values)

    assert (pause in Coverage([pause]).of(sending)) is covered


def test_all_pauses_that_cover_a_send_are_named_oldest_first() -> None:
    pauses = [
        replace(begun(**values), created_at=START + timedelta(seconds=second))
        for second, values in enumerate((_CAMPAIGN, _EVERYTHING, _NUMBER, _WHOLE))
    ]

    assert Coverage(reversed(pauses)).of(Sending("demo", "sp-1", "welcome")) == pauses


@pytest.mark.parametrize(
    ("ends", "expected"),
    [([], None), ([LATER], LATER), ([LATER, START], LATER), ([LATER, None], None), ([None], None)],
)
def test_pauses_end_together_when_the_last_of_them_does(ends: list[datetime | None], expected: datetime | None) -> None:
    assert ends_at([begun(paused_until=end) for end in ends]) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (_NUMBER, _NUMBER, True),
        (_NUMBER, {**_NUMBER, "target": "sp-2"}, False),
        (_NUMBER, _CAMPAIGN, True),
        (_NUMBER, _WHOLE, True),
        (_WHOLE, _EVERYTHING, True),
        (_WHOLE, {**_WHOLE, "organization_id": OrganizationId("other")}, False),
    ],
)
def test_pauses_overlap_when_one_send_can_meet_both(
    one: dict[str, object], other: dict[str, object], expected: bool
) -> None:
    assert overlaps(begun(**one), begun(**other)) is expected
    assert overlaps(begun(**other), begun(**one)) is expected


def test_the_fence_waits_560_milliseconds_by_default() -> None:
    assert FenceRule().wait(TTL_MAX) == pytest.approx(0.560, abs=0.001)


@given(
    ttl=st.floats(min_value=0.25, max_value=5.0),
    holder=st.floats(min_value=0.99, max_value=1.01),
    waiter=st.floats(min_value=0.99, max_value=1.01),
)
def test_every_permit_is_over_before_the_fence_stands(ttl: float, holder: float, waiter: float) -> None:
    """In true seconds: the holder's permit lasts ttl / rate, its guard as well, the waiter waits W / rate."""
    rule = FenceRule()

    assert rule.wait(timedelta(seconds=ttl)) / waiter >= ttl / holder


def test_no_replica_grants_more_than_the_database_allows() -> None:
    assert granted_ttl(timedelta(seconds=1), TTL_MAX) == TTL_MAX
    assert granted_ttl(timedelta(milliseconds=250), TTL_MAX) == timedelta(milliseconds=250)
