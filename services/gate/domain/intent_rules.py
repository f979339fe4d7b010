"""The rules that look at an intent alone: each blocks for good, or passes. They know no instance."""

from collections.abc import Callable

from gate.domain.case import PASSES, Case, block
from gate.domain.decision import RuleResult
from gate.domain.words import Reason, Rule

RuleFunction = Callable[[Case], RuleResult]

_EXPIRED = block(Rule.EXPIRED, Reason.INTENT_EXPIRED)
_NO_MOBILE = block(Rule.RECIPIENT, Reason.INVALID_RECIPIENT)
_OPTED_OUT = block(Rule.SUPPRESSED, Reason.OPTED_OUT)
_DUPLICATE = block(Rule.DUPLICATE_CONTENT, Reason.DUPLICATE_CONTENT)


def expired(case: Case) -> RuleResult:
    """Block what may not be sent any more."""
    return _EXPIRED if case.intent.expire_time <= case.now else PASSES[Rule.EXPIRED]


def recipient(case: Case) -> RuleResult:
    """Block what is no mobile number."""
    return PASSES[Rule.RECIPIENT] if case.facts.mobile else _NO_MOBILE


def suppressed(case: Case) -> RuleResult:
    """Block a recipient who asked to stop."""
    return _OPTED_OUT if case.facts.suppressed else PASSES[Rule.SUPPRESSED]


def duplicate_content(case: Case) -> RuleResult:
    """Block what the same recipient got in the same campaign within the policy's window."""
    return _DUPLICATE if case.facts.duplicate else PASSES[Rule.DUPLICATE_CONTENT]


INTENT_RULES: tuple[tuple[Rule, RuleFunction], ...] = (
    (Rule.EXPIRED, expired),
    (Rule.RECIPIENT, recipient),
    (Rule.SUPPRESSED, suppressed),
    (Rule.DUPLICATE_CONTENT, duplicate_content),
)
