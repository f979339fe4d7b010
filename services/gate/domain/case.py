"""One intent before one instance: what the rules are given. Judges nothing."""

from datetime import datetime

from gate.domain.decision import RuleResult
from gate.domain.facts import Facts, Instance, Intent
from gate.domain.moments import microseconds
from gate.domain.schedule import SECOND, Slot
from gate.domain.words import Effect, Reason, Rule

# A held slot may be this late and still count: the executor's lane keeps the gap between those that come late together.
LATE = 60 * SECOND
_JITTER_MASK = (1 << 32) - 1

PASSES = {rule: RuleResult(rule=rule, effect=Effect.PASS) for rule in Rule}


def block(rule: Rule, reason: Reason, note: str = "") -> RuleResult:
    """Return a BLOCK."""
    return RuleResult(rule=rule, effect=Effect.BLOCK, reason=reason, note=note)


class Case:
    """One intent, its facts, and one instance it could be sent from (None: there is none).

    `holds_slot` tells whether the intent has a slot with this instance that is not missed; `rested_at` when the pace
    alone lets it go (for a held slot: the slot); `slot` is the one it holds, or the next free one; `goes_at` when it
    would go if slots alone held it back.
    """

    __slots__ = ("facts", "goes_at", "holds_slot", "instance", "intent", "moment", "now", "rested_at", "slot")

    def __init__(self, intent: Intent, facts: Facts, now: datetime, instance: Instance | None) -> None:
        self.intent = intent
        self.facts = facts
        self.now = now
        self.moment = microseconds(now)
        self.instance = instance
        self.holds_slot = False
        self.rested_at = self.goes_at = self.moment
        self.slot: Slot | None = None
        if instance is None:
            return
        held = facts.held
        if held is not None and facts.held_by == instance.instance_id and held.at + LATE >= self.moment:
            self.holds_slot = True
            self.rested_at = held.at
            self.slot = held
        else:
            self.rested_at = instance.schedule.rested_at(self.moment, facts.policy)
            self.slot = instance.schedule.find(self.rested_at, facts.policy, gap_of(intent, facts))
        if self.slot is not None:
            self.goes_at = max(self.moment, self.slot.at)


def gap_of(intent: Intent, facts: Facts) -> int:
    """Return the time a message takes in the schedule: the gap and a jitter that follows from its id alone."""
    pace = facts.policy.pace
    if pace is None:
        return 0
    fraction = (intent.intent_id.int & _JITTER_MASK) / (_JITTER_MASK + 1)
    return pace.gap + int(pace.jitter * fraction)
