"""Value classes: equal by what they hold, with a hash, and made by name."""

from dataclasses import field, replace

import pytest

from kernel.values import value


@value
class Price:
    cents: int
    note: str = field(default="", repr=False)


def test_values_are_equal_by_what_they_hold_and_can_be_keys() -> None:
    assert {Price(cents=1): "one"}[replace(Price(cents=2), cents=1)] == "one"
    assert Price(cents=1) != Price(cents=2)


def test_values_are_made_by_name_only_and_show_what_they_may() -> None:
    with pytest.raises(TypeError):
        Price(1)  # type: ignore[call-arg]
    assert repr(Price(cents=1, note="a number")) == "Price(cents=1)"


def test_a_value_takes_no_more_than_its_fields() -> None:
    with pytest.raises(AttributeError):
        Price(cents=1).cent = 2  # type: ignore[attr-defined]
