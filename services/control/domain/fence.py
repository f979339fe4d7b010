"""How long after a pause's commit no permit given before it can still be used. Knows no clock."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceRule:
    """What is assumed of machines: clock rates differ by at most `drift`, and nobody is stopped for longer than `guard`
    between its last check and its first byte.
    """

    drift: float = 0.01
    guard: timedelta = timedelta(milliseconds=50)

    def __post_init__(self) -> None:
        if not 0 <= self.drift < 1 or self.guard < timedelta(0):
            raise ValueError("drift is a share below 1 and guard is not negative")

    def wait(self, ttl_max: timedelta) -> float:
        """Return the seconds to wait from the acknowledged commit, on the waiter's own monotonic clock.

        A permit holder's clock may run slow by `drift` and the waiter's fast by as much.
        """
        return ttl_max.total_seconds() * (1 + self.drift) / (1 - self.drift) + self.guard.total_seconds()


def granted_ttl(setting: timedelta, ttl_max: timedelta) -> timedelta:
    """Return how long a permit holds: what the replica is set to, and never more than the database allows."""
    return min(setting, ttl_max)
