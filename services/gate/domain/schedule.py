"""The slots of one instance: pace (GCRA) and caps, reserved forward. Knows nothing of intents, only of microseconds.

Moments are microseconds since 1970 (UTC). `tat` is the theoretical arrival time of the pace: from then on a message
finds the instance rested. Slots only ever go forward; a slot given back is free again for the caps at once, and for
the pace if it was the last one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gate.domain.policy import Policy

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# America/Sao_Paulo has been at UTC-3 all year since summer time ended (Decreto 9.772/2019).
_DAY_OFFSET = 3 * HOUR
_REACH = 31 * 24


def hour_of(moment: int) -> int:
    """Return the number of the UTC hour that `moment` is in."""
    return moment // HOUR


def day_of(moment: int) -> int:
    """Return the number of the day in São Paulo that `moment` is in."""
    return (moment - _DAY_OFFSET) // DAY


def start_of_hour(hour: int) -> int:
    """Return the moment at which an hour begins."""
    return hour * HOUR


def start_of_day(day: int) -> int:
    """Return the moment at which a day begins in São Paulo."""
    return day * DAY + _DAY_OFFSET


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the schedule: when, and `tat` before and after it was taken."""

    at: int
    before: int
    after: int


@dataclass(slots=True, kw_only=True)
class Schedule:
    """What one instance has given out. `find` only looks; `take` and `give_back` change it."""

    tat: int = 0
    hours: dict[int, int] = field(default_factory=dict)
    days: dict[int, int] = field(default_factory=dict)
    touched_hours: set[int] = field(default_factory=set)
    touched_days: set[int] = field(default_factory=set)

    def rested_at(self, now: int, policy: Policy) -> int:
        """Return when the pace would let the next message go, whatever room the caps have."""
        tolerance = (policy.pace.burst - 1) * policy.pace.gap if policy.pace is not None else 0
        return max(now, self.tat - tolerance)

    def find(self, rested_at: int, policy: Policy, gap: int) -> Slot | None:
        """Return the next free slot for a message that takes `gap`, or None if no window within reach has room."""
        at = rested_at
        if policy.hourly_cap is None and policy.daily_cap is None:
            return Slot(at, self.tat, max(self.tat, at) + gap)
        for _ in range(_REACH):
            if _is_full(self.hours, hour_of(at), policy.hourly_cap):
                if policy.hourly_cap == 0:
                    return None
                at = start_of_hour(hour_of(at) + 1)
            elif _is_full(self.days, day_of(at), policy.daily_cap):
                if policy.daily_cap == 0:
                    return None
                at = start_of_day(day_of(at) + 1)
            else:
                return Slot(at, self.tat, max(self.tat, at) + gap)
        return None

    def take(self, slot: Slot) -> None:
        """Count a slot that `find` returned."""
        hour, day = hour_of(slot.at), day_of(slot.at)
        self.tat = slot.after
        self.hours[hour] = self.hours.get(hour, 0) + 1
        self.days[day] = self.days.get(day, 0) + 1
        self.touched_hours.add(hour)
        self.touched_days.add(day)

    def give_back(self, slot: Slot) -> None:
        """Free a slot that will not be used."""
        if self.tat == slot.after:
            self.tat = slot.before
        for counts, window, touched in (
            (self.hours, hour_of(slot.at), self.touched_hours),
            (self.days, day_of(slot.at), self.touched_days),
        ):
            if counts.get(window, 0) > 0:
                counts[window] -= 1
                touched.add(window)


def _is_full(counts: Mapping[int, int], window: int, cap: int | None) -> bool:
    return cap is not None and counts.get(window, 0) >= cap
