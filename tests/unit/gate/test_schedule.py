"""The schedule: pace, burst and caps hold over any run of takes and give-backs."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gate.cases import MOMENT

from gate.domain.policy import Pace, Policy
from gate.domain.schedule import DAY, HOUR, SECOND, Schedule, Slot, day_of, hour_of, start_of_day

GAP = 10 * SECOND


def take(schedule: Schedule, policy: Policy, now: int, gap: int = GAP) -> Slot:
    slot = schedule.find(schedule.rested_at(now, policy), policy, gap)
    assert slot is not None
    schedule.take(slot)
    return slot


def test_a_burst_goes_back_to_back_after_a_silence_and_then_the_gap_holds() -> None:
    policy = Policy(pace=Pace(gap=GAP, jitter=0, burst=3))
    schedule = Schedule()
    slots = [take(schedule, policy, MOMENT).at - MOMENT for _ in range(5)]
    assert slots == [0, 0, 0, GAP, 2 * GAP]


def test_caps_carry_over_into_the_hours_and_days_that_have_room() -> None:
    policy = Policy(hourly_cap=2, daily_cap=3)
    schedule = Schedule()
    slots = [take(schedule, policy, MOMENT, 0) for _ in range(7)]
    hour, day = hour_of(MOMENT), day_of(MOMENT)
    assert [hour_of(slot.at) - hour for slot in slots[:3]] == [0, 0, 1]
    assert slots[3].at == start_of_day(day + 1)
    assert [day_of(slot.at) - day for slot in slots] == [0, 0, 0, 1, 1, 1, 2]


def test_days_begin_at_midnight_in_sao_paulo() -> None:
    assert start_of_day(day_of(MOMENT)) % DAY == 3 * HOUR


def test_giving_a_canceled_tail_back_frees_pace_and_caps() -> None:
    policy = Policy(pace=Pace(gap=GAP, jitter=0, burst=1), hourly_cap=3)
    schedule = Schedule()
    slots = [take(schedule, policy, MOMENT) for _ in range(10)]
    for slot in reversed(slots[1:]):
        schedule.give_back(slot)
    assert schedule.tat == slots[0].after
    assert sum(schedule.hours.values()) == 1
    assert take(schedule, policy, MOMENT).at == slots[1].at


def test_giving_back_one_in_the_middle_frees_its_place_in_the_caps_only() -> None:
    policy = Policy(pace=Pace(gap=GAP, jitter=0, burst=1), hourly_cap=80)
    schedule = Schedule()
    slots = [take(schedule, policy, MOMENT) for _ in range(3)]
    schedule.give_back(slots[1])
    assert schedule.tat == slots[2].after
    assert schedule.hours[hour_of(MOMENT)] == 2


@settings(max_examples=200, deadline=None)
@given(
    pace=st.builds(Pace, gap=st.integers(1, 60 * SECOND), jitter=st.integers(0, 10 * SECOND), burst=st.integers(1, 4)),
    hourly=st.none() | st.integers(1, 5),
    daily=st.none() | st.integers(1, 9),
    steps=st.lists(st.tuples(st.integers(0, 5 * 60 * SECOND), st.booleans()), min_size=1, max_size=60),
)
def test_limits_hold_whatever_happens(
    pace: Pace, hourly: int | None, daily: int | None, steps: list[tuple[int, bool]]
) -> None:
    policy = Policy(pace=pace, hourly_cap=hourly, daily_cap=daily)
    schedule, now, live = Schedule(), MOMENT, []
    for step, canceled in steps:
        now += step
        slot = take(schedule, policy, now, pace.gap)
        assert slot.at >= now
        live.append(slot)
        if canceled:
            schedule.give_back(live.pop())
    ats = sorted(slot.at for slot in live)
    for first, later in zip(ats, ats[pace.burst :], strict=False):
        assert later - first >= pace.gap
    for cap, window in ((hourly, hour_of), (daily, day_of)):
        counts: dict[int, int] = {}
        for at in ats:
            counts[window(at)] = counts.get(window(at), 0) + 1
        assert cap is None or all(count <= cap for count in counts.values())
