"""Quiet hours: holidays, openings in each local time, and what the rule makes of them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gate.cases import facts, instance, intent, windows

from gate.domain.decide import decide
from gate.domain.moments import microseconds
from gate.domain.policy import DEFAULT_POLICY, Pace, Policy
from gate.domain.quiet_hours import QuietHours, Window, easter, national_holidays
from gate.domain.recipient import recognise
from gate.domain.schedule import SECOND, Schedule, Slot
from gate.domain.words import Category, Outcome, Reason, Rule

assert DEFAULT_POLICY.quiet_hours is not None
HOURS = DEFAULT_POLICY.quiet_hours
SAO_PAULO, AMAZONAS, ACRE, NORONHA = -3, -4, -5, -2


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "good_friday"), [(2026, date(2026, 4, 3)), (2027, date(2027, 3, 26)), (2028, date(2028, 4, 14))]
)
def test_national_holidays(year: int, good_friday: date) -> None:
    fixed = ["01-01", "04-21", "05-01", "09-07", "10-12", "11-02", "11-15", "11-20", "12-25"]
    assert national_holidays(year) == {good_friday, *(date.fromisoformat(f"{year}-{day}") for day in fixed)}


@pytest.mark.parametrize(("year", "day"), [(1961, "04-02"), (2000, "04-23"), (2008, "03-23"), (2038, "04-25")])
def test_easter_in_years_that_try_its_rule(year: int, day: str) -> None:
    assert easter(year) == date.fromisoformat(f"{year}-{day}")


@pytest.mark.parametrize(
    ("number", "utc_offset"),
    [
        ("+5511987654321", SAO_PAULO),
        ("+5568987654321", ACRE),
        ("+556887654321", ACRE),
        ("+5592987654321", AMAZONAS),
        ("+5597987654321", AMAZONAS),
        ("+5595987654321", AMAZONAS),
        ("+5569987654321", AMAZONAS),
        ("+5565987654321", AMAZONAS),
        ("+5566987654321", AMAZONAS),
        ("+5567987654321", AMAZONAS),
        ("+5581987654321", SAO_PAULO),
        ("+351912345678", SAO_PAULO),
    ],
)
def test_the_local_time_follows_from_the_area_code(number: str, utc_offset: int) -> None:
    recipient = recognise(number)
    assert recipient is not None
    assert recipient.utc_offset == utc_offset


@pytest.mark.parametrize(
    ("at", "utc_offset", "start", "end"),
    [
        # Monday 23 November 2026; Friday the 20th is a holiday.
        ("2026-11-23 11:59:59", SAO_PAULO, "2026-11-23 12:00", "2026-11-23 21:00"),
        ("2026-11-23 12:00:00", SAO_PAULO, "2026-11-23 12:00", "2026-11-23 21:00"),
        ("2026-11-23 20:59:59", SAO_PAULO, "2026-11-23 12:00", "2026-11-23 21:00"),
        ("2026-11-23 21:00:00", SAO_PAULO, "2026-11-24 12:00", "2026-11-24 21:00"),
        ("2026-11-23 12:00:00", AMAZONAS, "2026-11-23 13:00", "2026-11-23 22:00"),
        ("2026-11-23 21:00:00", AMAZONAS, "2026-11-23 13:00", "2026-11-23 22:00"),
        ("2026-11-23 13:59:59", ACRE, "2026-11-23 14:00", "2026-11-23 23:00"),
        ("2026-11-24 02:00:00", ACRE, "2026-11-24 14:00", "2026-11-24 23:00"),
        ("2026-11-23 11:00:00", NORONHA, "2026-11-23 11:00", "2026-11-23 20:00"),
        ("2026-11-23 20:00:00", NORONHA, "2026-11-24 11:00", "2026-11-24 20:00"),
        # Saturdays are shorter, Sundays closed; 02:00 UTC on Sunday is still Saturday in Acre.
        ("2026-11-28 12:30:00", SAO_PAULO, "2026-11-28 13:00", "2026-11-28 19:00"),
        ("2026-11-28 19:00:00", SAO_PAULO, "2026-11-30 12:00", "2026-11-30 21:00"),
        ("2026-11-29 15:00:00", SAO_PAULO, "2026-11-30 12:00", "2026-11-30 21:00"),
        ("2026-11-29 02:00:00", ACRE, "2026-11-30 14:00", "2026-11-30 23:00"),
        # A holiday before a weekend, one on a Saturday (1 May 2027), one over the new year.
        ("2026-11-20 15:00:00", SAO_PAULO, "2026-11-21 13:00", "2026-11-21 19:00"),
        ("2027-05-01 15:00:00", SAO_PAULO, "2027-05-03 12:00", "2027-05-03 21:00"),
        ("2026-12-31 21:00:00", SAO_PAULO, "2027-01-02 13:00", "2027-01-02 19:00"),
    ],
)
def test_openings(at: str, utc_offset: int, start: str, end: str) -> None:
    opening = HOURS.opening(utc(at), utc_offset)
    assert (opening.start, opening.end) == (utc(start), utc(end))


def test_an_organizations_own_dates_are_holidays_and_sundays_may_be_open() -> None:
    carnival = date(2027, 2, 9)
    closed = QuietHours(
        weekdays=Window(start=540, end=1080), saturdays=None, sundays=None, holidays=frozenset({carnival})
    )
    assert closed.opening(utc("2027-02-09 15:00"), SAO_PAULO).start == utc("2027-02-10 12:00")
    evening = Window(start=1200, end=1440)
    opening = QuietHours(weekdays=None, saturdays=None, sundays=evening, holidays=frozenset({carnival})).opening(
        utc("2027-02-09 15:00"), SAO_PAULO
    )
    assert (opening.start, opening.end) == (utc("2027-02-09 23:00"), utc("2027-02-10 03:00"))


@given(
    st.builds(QuietHours, weekdays=windows, saturdays=st.none() | windows, sundays=st.none() | windows),
    st.integers(0, 3 * 365 * 86_400).map(lambda seconds: utc("2026-01-01") + timedelta(seconds=seconds)),
    st.integers(-5, -2),
)
def test_nothing_is_open_between_a_moment_and_the_opening_after_it(
    hours: QuietHours, at: datetime, utc_offset: int
) -> None:
    opening = hours.opening(at, utc_offset)
    assert opening.start < opening.end
    assert at < opening.end
    before = opening.start - timedelta(microseconds=1)
    assert hours.opening(opening.start, utc_offset) == opening
    assert before < at or hours.opening(before, utc_offset) == opening


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (6, 5), (5, 1441)])
def test_windows_lie_within_a_day(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="within one day"):
        Window(start=start, end=end)


MARKETING = {"category": Category.MARKETING, "expire_time": utc("2026-12-20 00:00")}
QUIET = Policy(quiet_hours=HOURS)
CLOSING = utc("2026-11-23 21:00")
NEXT_DAY = utc("2026-11-24 12:00")


@pytest.mark.parametrize(
    ("changes", "policy", "now", "reason"),
    [
        ({}, QUIET, CLOSING, Reason.QUIET_HOURS),
        ({}, QUIET, CLOSING - timedelta(microseconds=1), None),
        ({}, Policy(), CLOSING, None),
        ({"category": Category.UTILITY}, QUIET, CLOSING, None),
        ({"utc_offset": ACRE}, QUIET, CLOSING, None),
        ({"utc_offset": ACRE}, QUIET, utc("2026-11-23 13:00"), Reason.QUIET_HOURS),
    ],
    ids=["closed", "open", "no-hours", "other-category", "open-in-the-west", "closed-in-the-west"],
)
def test_the_rule_looks_at_category_and_local_time(
    changes: dict[str, object], policy: Policy, now: datetime, reason: Reason | None
) -> None:
    decision = decide(intent(**{**MARKETING, **changes}), facts(instance(), policy=policy), now)
    assert decision.reason is reason


def test_what_is_out_of_hours_waits_for_the_opening_without_a_slot() -> None:
    decision = decide(intent(**MARKETING), facts(instance(), policy=QUIET), CLOSING)
    assert (decision.outcome, decision.earliest_time, decision.slot) == (Outcome.QUEUED, NEXT_DAY, None)
    assert decision.decisive is not None
    assert (decision.decisive.rule, decision.decisive.resets_at) == (Rule.QUIET_HOURS, NEXT_DAY)
    assert decision.decisive.note == "the recipient's local time is UTC-3"


def test_a_slot_after_the_closing_is_not_taken_and_one_after_the_opening_is() -> None:
    policy = Policy(pace=Pace(gap=SECOND, jitter=0, burst=1), quiet_hours=HOURS)
    now = CLOSING - timedelta(minutes=1)
    busy = instance(schedule=Schedule(tat=microseconds(CLOSING)))
    decision = decide(intent(**MARKETING), facts(busy, policy=policy), now)
    assert (decision.reason, decision.earliest_time, decision.slot) == (Reason.QUIET_HOURS, NEXT_DAY, None)
    busier = instance(schedule=Schedule(tat=microseconds(NEXT_DAY)))
    decision = decide(intent(**MARKETING), facts(busier, policy=policy), CLOSING)
    assert (decision.reason, decision.earliest_time) == (Reason.PACE, NEXT_DAY)


def test_a_held_slot_that_comes_late_is_judged_by_the_clock() -> None:
    slot = Slot(microseconds(CLOSING) - 30 * SECOND, 0, 0)
    held = facts(instance(), policy=QUIET, held=slot, held_by="inst-1")
    late = decide(intent(accepted=True, **MARKETING), held, CLOSING + timedelta(seconds=1))
    assert (late.reason, late.slot) == (Reason.QUIET_HOURS, None)


def test_an_approval_ends_with_the_window() -> None:
    for before, ends in ((timedelta(minutes=3), CLOSING), (timedelta(minutes=11), CLOSING - timedelta(minutes=1))):
        decision = decide(intent(**MARKETING), facts(instance(), policy=QUIET), CLOSING - before)
        assert decision.approved_until == ends
    other = decide(intent(**{**MARKETING, "category": Category.UTILITY}), facts(instance(), policy=QUIET), CLOSING)
    assert other.approved_until == CLOSING + timedelta(minutes=10)
