"""Identifiers: well-formed, distinct, ascending, and true to the time they carry."""

from datetime import UTC, datetime
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import ids
from kernel.ids import moment_of, uuid7, uuid7_at


def test_identifiers_of_a_process_are_distinct_and_ascend() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}


def test_a_clock_that_is_set_back_does_not_turn_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = uuid7()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000)
    assert before < uuid7() < uuid7()


def test_an_identifier_carries_the_wall_clock() -> None:
    before = datetime.now(UTC)
    assert abs((moment_of(uuid7()) - before).total_seconds()) < 60


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_given_moment_comes_back_to_the_millisecond(moment: datetime) -> None:
    made = uuid7_at(moment)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert abs((moment_of(made) - moment).total_seconds()) <= 0.001
