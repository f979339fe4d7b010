"""Choose the instance for an intent that names none: the earliest slot, among those that pass every other rule."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gate.domain.case import Case
from gate.domain.decision import RuleResult
from gate.domain.schedule import day_of
from gate.domain.words import Effect, Reason, Rule
from kernel.values import value

SLOT_RULES = frozenset({Rule.HOURLY_CAP, Rule.DAILY_CAP, Rule.PACE})
_NAMED = 10
_KEPT = -1
_LATER_SLOT = "LATER_SLOT"


@value
class Judged:
    """One candidate and what the instance's rules said about it. `chosen_id` is empty if none was chosen."""

    case: Case
    results: tuple[RuleResult, ...]
    chosen_id: str


def choose(cases: Sequence[Case], *, judge: Callable[[Case], tuple[RuleResult, ...]], choosing: bool) -> Judged:
    """Return the best candidate, judged. `cases` has at least one, perhaps without an instance.

    Best is the slot it holds already, then what could go first: the earliest slot (ties: least used that day), then
    what an event or the end of a cooldown would free, then what is blocked.
    """
    judged = [(case, judge(case)) for case in cases]
    case, results = min(judged, key=_rank) if len(judged) > 1 else judged[0]
    instance_id = case.instance.instance_id if case.instance is not None else case.intent.instance_id
    if not choosing:
        return Judged(case=case, results=results, chosen_id=instance_id)
    if case.instance is None:
        return Judged(case=case, results=_noted(results, "the organization has no instance"), chosen_id="")
    chosen = _level(results) == 0 and case.slot is not None
    note = f"chose {instance_id}" if chosen else "none can be chosen now"
    passed_over = [_passed_over(other, said) for other, said in judged if not chosen or other is not case]
    if passed_over:
        named = ", ".join(passed_over[:_NAMED])
        more = f" and {len(passed_over) - _NAMED} more" if len(passed_over) > _NAMED else ""
        note = f"{note}; passed over: {named}{more}"
    return Judged(case=case, results=_noted(results, note), chosen_id=instance_id if chosen else "")


def _level(results: Sequence[RuleResult]) -> int:
    """Return 0 for what only slots hold back, 1 for what waits otherwise, 2 for what is blocked."""
    level = 0
    for result in results:
        if result.effect is Effect.BLOCK:
            return 2
        if result.effect is Effect.DEFER and (
            result.rule not in SLOT_RULES or result.reason is Reason.POLICY_UNAVAILABLE
        ):
            level = 1
    return level


def _rank(judged: tuple[Case, tuple[RuleResult, ...]]) -> tuple[int, float, int, str]:
    case, results = judged
    level = _level(results)
    if case.instance is None:
        return level, float("inf"), 0, ""
    if level == 0:
        at: float = _KEPT if case.holds_slot else case.slot.at if case.slot is not None else float("inf")
    else:
        waits = [result for result in results if result.effect is Effect.DEFER]
        forever = any(result.until is None for result in waits)
        at = float("inf") if forever else max((r.until.timestamp() for r in waits if r.until), default=0.0)
    used = case.instance.schedule.days.get(day_of(case.moment), 0)
    return level, at, used, case.instance.instance_id


def _passed_over(case: Case, results: Sequence[RuleResult]) -> str:
    against = next((result for result in results if result.effect is not Effect.PASS), None)
    name = case.instance.instance_id if case.instance is not None else ""
    return f"{name} ({against.reason if against is not None and against.reason else _LATER_SLOT})"


def _noted(results: tuple[RuleResult, ...], note: str) -> tuple[RuleResult, ...]:
    """Put the note on the rule that judges instances."""
    return tuple(
        replace(result, note=f"{result.note}; {note}" if result.note else note)
        if result.rule is Rule.INSTANCE
        else result
        for result in results
    )
