"""The right to begin sending for a moment. Knows not who granted it."""

from dataclasses import dataclass

LONGEST_TTL = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Sends may begin until `valid_until` minus `guard`, in seconds of the boot-time clock.

    It is measured from before the request for it left, so that control's wait after a pause covers it wherever the
    answer was delayed.
    """

    asked_at: float
    ttl: float
    guard: float

    def __post_init__(self) -> None:
        if not 0 < self.ttl <= LONGEST_TTL:
            raise ValueError("a permit holds for more than 0 and at most 5 s")

    @property
    def valid_until(self) -> float:
        return self.asked_at + self.ttl

    def holds(self, now: float) -> bool:
        """Tell whether a send may begin at `now`."""
        return self.rest(now) > 0

    def rest(self, now: float) -> float:
        """Return how many seconds from `now` sends may still begin."""
        return self.valid_until - self.guard - now

    def horizon(self, now: float) -> float:
        """Return how many seconds from `now` slots may lie: what begins within half the permit's time."""
        return max(0.0, self.asked_at + self.ttl / 2 - now)
