"""How decisions are kept in a row: a short list as JSON bytes. Knows no table.

Rules that just passed are left out and come back on reading. Moments are microseconds since 1970.
"""

from datetime import datetime
from typing import Any

import orjson

from gate.application.messages import Recorded
from gate.domain.case import PASSES
from gate.domain.decision import Decision, LimitReading, RuleResult
from gate.domain.moments import microseconds, timestamp
from gate.domain.words import Effect, Outcome, Reason, Rule

_RULES = tuple(Rule)
# A rule keeps its number for good: new ones go to the end, whatever their place among the rules.
_NUMBERED = (*(rule for rule in _RULES if rule is not Rule.QUIET_HOURS), Rule.QUIET_HOURS)
_DECISIVE = 8  # its place in a rule's row
_NUMBER_OF = {rule: number for number, rule in enumerate(_NUMBERED)}


def encode(recorded: Recorded) -> bytes:
    """Return everything of a decision that has no column of its own."""
    decision = recorded.decision
    tightest = decision.tightest_limit
    return orjson.dumps(
        [
            decision.policy_version,
            decision.control_version,
            recorded.decided_by,
            decision.binding_limiter,
            None if tightest is None else [tightest.rule, tightest.used, tightest.limit],
            _moment(decision.earliest_time),
            _moment(decision.approved_until),
            len(decision.rules) == len(_RULES),
            [_encode_rule(result) for result in decision.rules if result is not PASSES[result.rule]],
        ]
    )


def _encode_rule(result: RuleResult) -> list[Any]:
    return [
        _NUMBER_OF[result.rule],
        result.effect,
        result.reason,
        _moment(result.until),
        result.used,
        result.limit,
        result.unit,
        _moment(result.resets_at),
        result.decisive,
        result.note,
    ]


def decode(
    *,
    number: int,
    outcome: str,
    reason: str,
    decided_at: datetime,
    instance_id: str,
    document: bytes,
    with_rules: bool,
) -> Recorded:
    """Return the decision; with the decisive rule alone where nobody will look at its rule trace."""
    policy_version, control_version, decided_by, binding, tightest, earliest, until, whole, rules = orjson.loads(
        document
    )
    return Recorded(
        number=number,
        decided_by=decided_by,
        decision=Decision(
            outcome=Outcome(outcome),
            reason=Reason(reason) if reason else None,
            rules=_decode_rules(rules, whole=whole) if with_rules else _decode_decisive(rules),
            earliest_time=_timestamp(earliest),
            approved_until=_timestamp(until),
            binding_limiter=Rule(binding) if binding else None,
            tightest_limit=(
                LimitReading(rule=Rule(tightest[0]), used=tightest[1], limit=tightest[2]) if tightest else None
            ),
            policy_version=policy_version,
            control_version=control_version,
            decided_at=decided_at,
            instance_id=instance_id,
            slot=None,
        ),
    )


def _decode_rules(rows: list[list[Any]], *, whole: bool) -> tuple[RuleResult, ...]:
    said = {result.rule: result for result in map(_decode_rule, rows)}
    if not whole:
        return tuple(said.values())
    return tuple(said.get(rule, PASSES[rule]) for rule in _RULES)


def _decode_decisive(rows: list[list[Any]]) -> tuple[RuleResult, ...]:
    return tuple(_decode_rule(row) for row in rows if row[_DECISIVE])


def _decode_rule(row: list[Any]) -> RuleResult:
    number, effect, reason, until, used, limit, unit, resets_at, decisive, note = row
    return RuleResult(
        rule=_NUMBERED[number],
        effect=Effect(effect),
        reason=Reason(reason) if reason else None,
        until=_timestamp(until),
        used=used,
        limit=limit,
        unit=unit,
        resets_at=_timestamp(resets_at),
        decisive=decisive,
        note=note,
    )


def _moment(value: datetime | None) -> int | None:
    return None if value is None else microseconds(value)


def _timestamp(value: int | None) -> datetime | None:
    return None if value is None else timestamp(value)
