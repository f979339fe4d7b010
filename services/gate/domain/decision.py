"""What a decision says. Knows nothing of how it is reached, stored or told."""

from datetime import datetime

from gate.domain.schedule import Slot
from gate.domain.words import Effect, Outcome, Reason, Rule
from kernel.values import value


@value
class RuleResult:
    """What one rule said, with the numbers it judged by. A DEFER without `until` waits for an event."""

    rule: Rule
    effect: Effect
    reason: Reason | None = None
    until: datetime | None = None
    used: float | None = None
    limit: float | None = None
    unit: str = ""
    resets_at: datetime | None = None
    decisive: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if (self.effect is Effect.PASS) != (self.reason is None):
            raise ValueError("DEFER and BLOCK have a reason, PASS has none")


@value
class LimitReading:
    """How much of a limit is used."""

    rule: Rule
    used: float
    limit: float

    @property
    def share(self) -> float:
        """Return the used share; a limit of 0 is used up."""
        return self.used / self.limit if self.limit > 0 else 1.0


@value
class Decision:
    """A verdict with the whole rule trace.

    `earliest_time` is None on a QUEUED that waits for an event, which the decisive rule's reason names. `slot` is
    the one to be taken, or kept, in the schedule of `instance_id`.
    """

    outcome: Outcome
    reason: Reason | None
    rules: tuple[RuleResult, ...]
    earliest_time: datetime | None
    approved_until: datetime | None
    binding_limiter: Rule | None
    tightest_limit: LimitReading | None
    policy_version: int
    control_version: int
    decided_at: datetime
    instance_id: str
    slot: Slot | None

    @property
    def decisive(self) -> RuleResult | None:
        """Return the rule that gave the decision its reason."""
        return next((result for result in self.rules if result.decisive), None)
