"""`decide`: the verdict on one intent. Pure and total: no I/O, no clock, no randomness, and never an exception."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gate.domain.candidates import SLOT_RULES, Judged, choose
from gate.domain.case import Case
from gate.domain.decision import Decision, LimitReading, RuleResult
from gate.domain.facts import Facts, Intent
from gate.domain.instance_rules import INSTANCE_RULES, opening
from gate.domain.intent_rules import INTENT_RULES, RuleFunction
from gate.domain.moments import microseconds, timestamp
from gate.domain.schedule import Slot
from gate.domain.words import Effect, Outcome, Reason, Rule

Rules = Sequence[tuple[Rule, RuleFunction]]

UNAVAILABLE_RETRY = timedelta(seconds=60)
_NEVER = datetime.max.replace(tzinfo=UTC)


def decide(
    intent: Intent,
    facts: Facts,
    now: datetime,
    *,
    intent_rules: Rules = INTENT_RULES,
    instance_rules: Rules = INSTANCE_RULES,
) -> Decision:
    """Return the verdict: BLOCKED if any rule blocks, else QUEUED at the latest deferral, else APPROVED.

    The first blocking rule in order gives the reason. A rule that fails never lets anything pass: unless another rule
    blocks, the intent is QUEUED with POLICY_UNAVAILABLE.
    """
    try:
        return _decide(intent, facts, now, intent_rules, instance_rules)
    except Exception as error:  # noqa: BLE001 - total: what cannot be judged waits, whatever the cause
        return _unavailable(intent, facts, now, error)


def _decide(intent: Intent, facts: Facts, now: datetime, intent_rules: Rules, instance_rules: Rules) -> Decision:
    judged = choose(
        [Case(intent, facts, now, candidate) for candidate in facts.instances or (None,)],
        judge=lambda case: judge(case, instance_rules),
        choosing=not intent.instance_id,
    )
    results = (*judge(judged.case, intent_rules), *judged.results)
    decisive = _decisive(results)
    outcome = _outcome(decisive)
    slot = _slot_to_take(results, judged, intent, outcome)
    return Decision(
        outcome=outcome,
        reason=decisive.reason if decisive is not None else None,
        rules=results if decisive is None else _marked(results, decisive),
        earliest_time=_earliest_time(outcome, decisive, slot),
        approved_until=_approved_until(judged.case) if outcome is Outcome.APPROVED else None,
        binding_limiter=decisive.rule if decisive is not None and decisive.limit is not None else None,
        tightest_limit=_tightest(results),
        policy_version=facts.policy_version,
        control_version=facts.controls.versions.get(intent.organization_id, 0),
        decided_at=now,
        instance_id=judged.chosen_id if outcome is not Outcome.BLOCKED or intent.instance_id else "",
        slot=slot,
    )


def _unavailable(intent: Intent, facts: Facts, now: datetime, error: Exception) -> Decision:
    failed = replace(_failed(Rule.INSTANCE, now, error), decisive=True)
    return Decision(
        outcome=Outcome.QUEUED,
        reason=Reason.POLICY_UNAVAILABLE,
        rules=(failed,),
        earliest_time=failed.until,
        approved_until=None,
        binding_limiter=None,
        tightest_limit=None,
        policy_version=facts.policy_version,
        control_version=0,
        decided_at=now,
        instance_id=intent.instance_id,
        slot=None,
    )


def _failed(rule: Rule, now: datetime, error: Exception) -> RuleResult:
    return RuleResult(
        rule=rule,
        effect=Effect.DEFER,
        reason=Reason.POLICY_UNAVAILABLE,
        until=now + UNAVAILABLE_RETRY,
        note=type(error).__name__,
    )


def judge(case: Case, rules: Rules) -> tuple[RuleResult, ...]:
    """Return what each rule says, in order; one that fails says DEFER, POLICY_UNAVAILABLE."""
    results = []
    for rule, function in rules:
        try:
            result = function(case)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, it must not let the intent pass
            result = _failed(rule, case.now, error)
        results.append(result)
    return tuple(results)


def _decisive(results: Sequence[RuleResult]) -> RuleResult | None:
    deferring: RuleResult | None = None
    failed: RuleResult | None = None
    for result in results:
        if result.effect is Effect.PASS:
            continue
        if result.effect is Effect.BLOCK:
            return result
        if result.reason is Reason.POLICY_UNAVAILABLE:
            failed = failed or result
        if deferring is None or (result.until or _NEVER) > (deferring.until or _NEVER):
            deferring = result
    return failed or deferring


def _marked(results: Sequence[RuleResult], decisive: RuleResult) -> tuple[RuleResult, ...]:
    return tuple([replace(result, decisive=True) if result is decisive else result for result in results])


def _outcome(decisive: RuleResult | None) -> Outcome:
    if decisive is None:
        return Outcome.APPROVED
    return Outcome.BLOCKED if decisive.effect is Effect.BLOCK else Outcome.QUEUED


def _slot_to_take(results: Sequence[RuleResult], judged: Judged, intent: Intent, outcome: Outcome) -> Slot | None:
    """Return the slot, unless something else keeps the intent back or the slot is past its expiry."""
    if outcome is Outcome.BLOCKED or (outcome is Outcome.QUEUED and not _only_slots_defer(results)):
        return None
    slot = judged.case.slot
    if outcome is Outcome.QUEUED and slot is not None and slot.at >= microseconds(intent.expire_time):
        return None
    return slot


def _only_slots_defer(results: Sequence[RuleResult]) -> bool:
    return all(
        result.effect is Effect.PASS or (result.rule in SLOT_RULES and result.reason is not Reason.POLICY_UNAVAILABLE)
        for result in results
    )


def _earliest_time(outcome: Outcome, decisive: RuleResult | None, slot: Slot | None) -> datetime | None:
    if outcome is Outcome.BLOCKED:
        return None
    if slot is not None:
        return timestamp(slot.at)
    return decisive.until if decisive is not None else None


def _approved_until(case: Case) -> datetime:
    """Return the end of the approval: nothing of it may begin after the intent's expiry or in quiet hours."""
    until = min(case.now + case.facts.policy.approval_ttl, case.intent.expire_time)
    allowed = opening(case)
    return until if allowed is None else min(until, allowed.end)


def _tightest(results: Sequence[RuleResult]) -> LimitReading | None:
    tightest: LimitReading | None = None
    for result in results:
        if result.limit is None or result.used is None:
            continue
        reading = LimitReading(rule=result.rule, used=result.used, limit=result.limit)
        if tightest is None or reading.share > tightest.share:
            tightest = reading
    return tightest
