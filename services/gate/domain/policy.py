"""The limits an organization sends within, and the defaults that hold until it stores its own. Judges nothing."""

from dataclasses import dataclass
from datetime import timedelta

from gate.domain.quiet_hours import QuietHours, Window
from gate.domain.words import Category

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The least time between two messages of an instance, in microseconds, up to `jitter` more, and a burst."""

    gap: int
    jitter: int
    burst: int

    def __post_init__(self) -> None:
        if self.gap < 0 or self.jitter < 0 or self.burst < 1:
            raise ValueError("a pace has no negative times and a burst of at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureThreshold:
    """The share of failed sends in an hour above which an instance cools down, and the least numbers to judge by."""

    share: float
    minimum_sends: int
    minimum_failures: int

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("a share is above 0 and at most 1")


# facts: with fewer sends and failures a share says too little to stop a number by it.
DEFAULT_FAILURE_THRESHOLD = FailureThreshold(share=0.10, minimum_sends=200, minimum_failures=20)
DEFAULT_COOLDOWN_STEPS = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=12), timedelta(hours=24))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that decisions are judged by. A limit is None (no limit) or a number; with 0 nothing passes."""

    pace: Pace | None = None
    hourly_cap: int | None = None
    daily_cap: int | None = None
    approval_ttl: timedelta = timedelta(minutes=10)
    duplicate_window: timedelta = DAY
    failure_threshold: FailureThreshold = DEFAULT_FAILURE_THRESHOLD
    cooldown_steps: tuple[timedelta, ...] = DEFAULT_COOLDOWN_STEPS
    retry_unknown: frozenset[Category] = frozenset()
    quiet_hours: QuietHours | None = None

    def __post_init__(self) -> None:
        if (self.hourly_cap or 0) < 0 or (self.daily_cap or 0) < 0:
            raise ValueError("a cap is not negative")
        if not self.cooldown_steps:
            raise ValueError("there is at least one cooldown step")

    @property
    def limitless(self) -> bool:
        """Tell whether what was sent before has no say in what may be sent next."""
        return self.pace is None and self.hourly_cap is None and self.daily_cap is None


# What senders practise against blocks of unofficial and new numbers, gathered November 2026; never a promise:
# a gap of about 5 to 30 s at random, about 80 an hour and 500 a day for a number past its warm-up.
# Same body to the same number not within 24 h. Marketing in Brazil: Monday to Friday 9 to 18, Saturday 10 to 16 in the
# local time of the recipient's area code, none on Sundays and national holidays. States may have rules of their own:
# an organization that they bind says so in its policy.
DEFAULT_POLICY = Policy(
    pace=Pace(gap=10_000_000, jitter=10_000_000, burst=1),
    hourly_cap=80,
    daily_cap=500,
    quiet_hours=QuietHours(
        weekdays=Window(start=9 * 60, end=18 * 60), saturdays=Window(start=10 * 60, end=16 * 60), sundays=None
    ),
)
