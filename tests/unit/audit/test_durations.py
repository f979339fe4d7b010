"""Counts and averages are exact, quantiles within 2 % of those of the sorted durations, however parts were merged."""

import math
from collections import Counter
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.domain.durations import Durations, bucket_of, middle_of
from audit.infrastructure.packing import pack, unpack

LONGEST = 9_999 * 366 * 86_400 * 1_000_000
# Short ones, usual ones and absurd ones alike, since each power of ten is as likely as another.
microseconds = st.integers(0, LONGEST) | st.integers(0, 17).flatmap(lambda power: st.integers(0, 10**power))
ROUNDING = timedelta(microseconds=0.5)


def durations_of(values: list[int]) -> Durations:
    made = Durations()
    for value in values:
        made.add(value)
    return made


@given(microseconds)
def test_the_middle_of_a_bucket_is_within_2_percent_of_what_lies_in_it(value: int) -> None:
    assert abs(middle_of(bucket_of(value)) - value) <= 0.02 * value * (1 + 1e-9)


@given(st.lists(microseconds, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_2_percent_of_the_exact_one(values: list[int], share: float) -> None:
    exact = timedelta(microseconds=sorted(values)[math.ceil(share * len(values)) - 1])
    assert abs(durations_of(values).quantile(share) - exact) <= 0.02 * exact + 2 * ROUNDING


@given(st.lists(st.lists(microseconds, max_size=30), max_size=5))
def test_merged_parts_are_what_one_whole_would_have_been(parts: list[list[int]]) -> None:
    whole = durations_of([value for part in parts for value in part])
    assert Durations.merged(durations_of(part) for part in parts) == whole
    assert whole.count == sum(map(len, parts))
    assert whole.total_us == sum(map(sum, parts))


@given(st.lists(st.dictionaries(st.integers(0, 1_100), st.integers(1, 10**9)), min_size=1, max_size=5))
def test_packed_buckets_are_merged_by_adding_numbers(parts: list[dict[int, int]]) -> None:
    with localcontext(prec=20_000):
        added = sum((Decimal(pack(part)) for part in parts), Decimal(0))
    merged: Counter[int] = Counter()
    for part in parts:
        merged.update(part)
    assert unpack(added) == merged


@pytest.mark.parametrize(
    "value",
    [
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(microseconds=30),
        timedelta(milliseconds=7),
        timedelta(days=31),
        timedelta(days=20_000),
    ],
    ids=str,
)
def test_nothing_microseconds_and_days_are_told_apart(value: timedelta) -> None:
    durations = durations_of([value // timedelta(microseconds=1)] * 3)
    assert durations.average == value
    for share in (0.5, 0.95, 0.99):
        assert abs(durations.quantile(share) - value) <= 0.02 * value


def test_of_nothing_everything_is_zero() -> None:
    assert Durations().average == Durations().quantile(0.99) == timedelta(0)
