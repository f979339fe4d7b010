"""One intent before one instance: what the rules are given. Judges nothing."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gate.domain.decision import RuleResult
from gate.domain.facts import Facts, Instance, Intent
from gate.domain.moments import microseconds
from gate.domain.schedule import SECOND, Slot
from gate.domain.words import Effect, Reason, Rule

# A held slot may be this late and still count: the executor's lane keeps the gap between those that come late together.
LATE = 60 * SECOND
_JITTER_BITS = 32

PASSES = {rule: RuleResult(rule=rule, effect=Effect.PASS) for rule in Rule}


def block(rule: Rule, reason: Reason, note: str = "") -> RuleResult:
    """Return a BLOCK."""
    return RuleResult(rule=rule, effect=Effect.BLOCK, reason=reason, note=note)


@dataclass(kw_only=True)
class Case:
    """One intent, its facts, and one instance it could be sent from (None: there is none)."""

    intent: Intent
    facts: Facts
    now: datetime
    moment: int
    instance: Instance | None

    @classmethod
    def of(cls, intent: Intent, facts: Facts, now: datetime, instance: Instance | None) -> "Case":
        """Return the case for one candidate."""
        return cls(intent=intent, facts=facts, now=now, moment=microseconds(now), instance=instance)

    @cached_property
    def gap(self) -> int:
        """Return the time its message takes in the schedule: the gap and a jitter that follows from its id alone."""
        pace = self.facts.policy.pace
        if pace is None:
            return 0
        fraction = (self.intent.intent_id.int & ((1 << _JITTER_BITS) - 1)) / (1 << _JITTER_BITS)
        return pace.gap + int(pace.jitter * fraction)

    @cached_property
    def holds_slot(self) -> bool:
        """Tell whether the intent has a slot with this instance that is not missed."""
        facts = self.facts
        return (
            facts.held is not None
            and self.instance is not None
            and facts.held_by == self.instance.instance_id
            and facts.held.at + LATE >= self.moment
        )

    @cached_property
    def rested_at(self) -> int:
        """Return when the pace alone lets it go; for a held slot, the slot."""
        if self.holds_slot and self.facts.held is not None:
            return self.facts.held.at
        if self.instance is None:
            return self.moment
        return self.instance.schedule.rested_at(self.moment, self.facts.policy)

    @cached_property
    def slot(self) -> Slot | None:
        """Return the slot it holds, or the next free one."""
        if self.holds_slot:
            return self.facts.held
        if self.instance is None:
            return None
        return self.instance.schedule.find(self.moment, self.facts.policy, self.gap)
