"""How sending goes on after a pause: at once, along a ramp, or after a few sends that go well. Knows no pause."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from kernel.ids import ControlId


@dataclass(frozen=True, slots=True, kw_only=True)
class Immediate:
    """Everything at full pace at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The pace grows linearly from a share of it."""

    from_share: float = 0.1
    duration: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        if not 0 < self.from_share <= 1 or self.duration <= timedelta(0):
            raise ValueError("a ramp begins above 0 and takes time")

    def factor(self, left: timedelta) -> float:
        """Return the share of the pace with `left` of its time to go, above 0 to 1."""
        if left <= timedelta(0):
            return 1.0
        gone = max(1 - left / self.duration, 0.0)
        return min(self.from_share + (1 - self.from_share) * gone, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCount:
    """How a canary's sends went so far; those that neither succeeded nor failed have no outcome yet."""

    sends: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A few sends first, then a ramp; paused again as soon as more than the share of `sends` failed."""

    sends: int
    watch: timedelta = timedelta(seconds=30)
    max_failure_share: float = 0.0

    def __post_init__(self) -> None:
        if self.sends < 1 or self.watch < timedelta(0) or not 0 <= self.max_failure_share < 1:
            raise ValueError("a canary has sends, of which not all may fail")

    def has_failed(self, count: CanaryCount) -> bool:
        """Tell whether so many failures are too many, however the rest goes."""
        return count.failed / self.sends > self.max_failure_share

    def is_complete(self, count: CanaryCount) -> bool:
        """Tell whether all of its sends have their outcome."""
        return count.succeeded + count.failed >= self.sends


Plan = Immediate | Ramp | Canary
AFTER_CANARY = Ramp()


class ResumptionState(StrEnum):
    """Where a resumption stands."""

    CANARY = "CANARY"
    RAMPING = "RAMPING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFailure:
    """When the canary failed, and the pause that took the place of the one it was of."""

    at: datetime
    control_id: ControlId


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A plan under way. `full_pace_at` is none while a canary runs, and for good if it failed."""

    plan: Plan
    full_pace_at: datetime | None
    failure: CanaryFailure | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.plan, Canary) and (self.full_pace_at is None or self.failure is not None):
            raise ValueError("only a canary has no time of full pace, or fails")
        if self.failure is not None and self.full_pace_at is not None:
            raise ValueError("a canary that failed comes to no full pace")

    @classmethod
    def begin(cls, plan: Plan, at: datetime) -> "Resumption":
        """Return the plan as it begins."""
        match plan:
            case Immediate():
                return cls(plan=plan, full_pace_at=at)
            case Ramp(duration=duration):
                return cls(plan=plan, full_pace_at=at + duration)
            case Canary():
                return cls(plan=plan, full_pace_at=None)

    @property
    def canary(self) -> Canary | None:
        """The canary that runs."""
        return self.plan if isinstance(self.plan, Canary) and self.settled_at is None else None

    @property
    def ramp(self) -> Ramp | None:
        """The ramp that the pace grows along, now or later."""
        match self.plan:
            case Immediate():
                return None
            case Ramp():
                return self.plan
            case Canary():
                return AFTER_CANARY

    @property
    def settled_at(self) -> datetime | None:
        """When its canary passed or failed; none without a canary."""
        if self.failure is not None:
            return self.failure.at
        if isinstance(self.plan, Canary) and self.full_pace_at is not None:
            return self.full_pace_at - AFTER_CANARY.duration
        return None

    def state(self, at: datetime) -> ResumptionState:
        """Return where it stands at `at`."""
        if self.failure is not None:
            return ResumptionState.FAILED
        if self.full_pace_at is None:
            return ResumptionState.CANARY
        return ResumptionState.RAMPING if at < self.full_pace_at else ResumptionState.COMPLETE

    def factor(self, at: datetime) -> float:
        """Return the share of the pace at `at`, above 0 to 1. A canary limits how many, not how fast."""
        if self.full_pace_at is None or self.ramp is None:
            return 1.0
        return self.ramp.factor(self.full_pace_at - at)

    def pass_canary(self, at: datetime) -> "Resumption":
        """Return it on the ramp that follows. Only while the canary runs."""
        self._demand_canary()
        return replace(self, full_pace_at=at + AFTER_CANARY.duration)

    def fail_canary(self, failure: CanaryFailure) -> "Resumption":
        """Return it failed. Only while the canary runs."""
        self._demand_canary()
        return replace(self, failure=failure)

    def cut_short(self, at: datetime) -> "Resumption":
        """Return it at the full pace, unless it has come there or failed: a newer plan counts from `at` on."""
        if self.failure is not None or (self.full_pace_at is not None and self.full_pace_at <= at):
            return self
        return replace(self, full_pace_at=at)

    def _demand_canary(self) -> None:
        if self.canary is None:
            raise ValueError("no canary runs")
