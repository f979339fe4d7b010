"""When people may be written to: windows of their local time by kind of day, and Brazil's holidays. Knows no intent."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from itertools import count

from gate.domain.words import Category

DEFAULT_QUIET = frozenset({Category.MARKETING})
_DAY_MINUTES = 24 * 60
_SATURDAY, _SUNDAY = 5, 6
# January 1, April 21, May 1, September 7, November 2 and 15, December 25 (Lei 662/1949, Lei 10.607/2002), October 12
# (Lei 6.802/1980), November 20 (Lei 14.759/2023).
_FIXED_HOLIDAYS = ((1, 1), (4, 21), (5, 1), (9, 7), (10, 12), (11, 2), (11, 15), (11, 20), (12, 25))
_GOOD_FRIDAY = timedelta(days=-2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time of the day in minutes from local midnight: from `start` up to, not including, `end`."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= _DAY_MINUTES:
            raise ValueError("a window begins before it ends, within one day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A time in which people may be written to: from `start` up to, not including, `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """The windows outside which these categories wait; a kind of day without one is quiet all day.

    `sundays` holds for holidays too: the national ones and the organization's own.
    """

    weekdays: Window | None
    saturdays: Window | None
    sundays: Window | None
    categories: frozenset[Category] = DEFAULT_QUIET
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.weekdays is None and self.saturdays is None and self.sundays is None:
            raise ValueError("quiet hours leave at least one window")

    def opening(self, at: datetime, utc_offset: int) -> Opening:
        """Return the opening that `at` lies in, or else the next. `utc_offset` is the recipient's, in hours."""
        zone = timezone(timedelta(hours=utc_offset))
        today = at.astimezone(zone).date()
        for days in count():
            day = today + timedelta(days=days)
            window = self._window(day)
            if window is None:
                continue
            midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
            end = midnight + timedelta(minutes=window.end)
            if at < end:
                return Opening(start=midnight + timedelta(minutes=window.start), end=end)
        raise AssertionError("the days do not end")

    def _window(self, day: date) -> Window | None:
        if day.weekday() == _SUNDAY or day in self.holidays or day in national_holidays(day.year):
            return self.sundays
        return self.saturdays if day.weekday() == _SATURDAY else self.weekdays


@lru_cache(maxsize=16)
def national_holidays(year: int) -> frozenset[date]:
    """Return Brazil's national holidays of a year.

    Of the days that follow Easter only Good Friday is one: Carnival and Corpus Christi are optional, and an
    organization that keeps them names them among its own.
    """
    return frozenset((*(date(year, month, day) for month, day in _FIXED_HOLIDAYS), easter(year) + _GOOD_FRIDAY))


def easter(year: int) -> date:
    """Return Easter Sunday, by the Gregorian computus of Meeus, Jones and Butcher."""
    century, year_of_century = divmod(year, 100)
    golden = year % 19
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (year_of_century // 4) - moon - year_of_century % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
