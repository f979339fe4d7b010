"""How a window is cut into points: bounds that stay where they are, and limits that say what to ask for instead."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.domain.series import Steps, points
from kernel.errors import Failure, Kind


@pytest.mark.parametrize(("step", "span"), [(1, 1), (7, 1), (10, 10), (30, 10), (60, 60), (90, 10), (2_880, 1_440)])
def test_points_are_made_of_the_longest_spans_that_fit(step: int, span: int) -> None:
    assert Steps(window=60, step=step).span == span


@pytest.mark.parametrize(
    ("window", "step", "advice"),
    [
        (2_001, 1, "use 2 or more"),
        (44_640, 20, "use 23 or more"),
        (2_881, 7, "a multiple of 10"),
        (28_801, 30, "a multiple of 60"),
    ],
)
def test_what_would_be_too_much_is_refused_with_what_to_ask_for(window: int, step: int, advice: str) -> None:
    with pytest.raises(Failure) as refused:
        Steps(window=window, step=step)
    (violation,) = refused.value.violations
    assert refused.value.kind is Kind.INVALID_ARGUMENT
    assert (violation.field, advice in violation.description) == ("step_minutes", True)


@given(st.integers(1, 2_880), st.integers(2, 44_640), st.integers(0, 10**10))
def test_points_lie_end_to_end_from_the_windows_start_to_now_at_multiples_of_the_step(
    window: int, step: int, milliseconds: int
) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    steps = Steps(window=window, step=step)
    start = steps.start(now)
    made = [point.window for point in points(steps, start, now, {})]
    assert start == made[0].start <= now - timedelta(minutes=window)
    assert made[-1].end == now
    assert [one.end for one in made[:-1]] == [one.start for one in made[1:]]
    assert {(one.start - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(minutes=step) for one in made} == {timedelta(0)}
    assert len(made) <= window // step + 2


def test_a_point_that_begins_now_has_no_rate_yet() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    *_, last = points(Steps(window=1, step=1), now - timedelta(minutes=1), now, {})
    assert (last.window.start, last.window.per_hour(3)) == (now, 0.0)
