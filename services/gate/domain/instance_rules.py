"""The rules that look at one instance: may it send, and when. They know no other instance."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gate.domain.case import PASSES, Case, block
from gate.domain.decision import RuleResult
from gate.domain.facts import Pause, Scope
from gate.domain.intent_rules import RuleFunction
from gate.domain.moments import timestamp
from gate.domain.quiet_hours import Opening
from gate.domain.schedule import SECOND, day_of, hour_of, start_of_day, start_of_hour
from gate.domain.words import Effect, Reason, Rule

# A slot this near counts as passed: the job carries it as `not_before`, and the executor's lane keeps it.
NEAR = 1 * SECOND
CONTROL_RETRY = timedelta(seconds=1)


def kill_switch(case: Case) -> RuleResult:
    """Block new intents in a paused scope; those accepted before, or told to hold, wait for the resume."""
    intent, controls = case.intent, case.facts.controls
    campaign = Scope(intent.organization_id, "", intent.campaign_id)
    instance_id = case.instance.instance_id if case.instance is not None else intent.instance_id
    number = Scope(intent.organization_id, instance_id, "") if instance_id else campaign
    if controls.pauses and (campaign in controls.pauses or number in controls.pauses):
        return _paused(case, [controls.pauses[scope] for scope in (campaign, number) if scope in controls.pauses])
    if campaign in controls.asked and number in controls.asked:
        return PASSES[Rule.KILL_SWITCH]
    return RuleResult(
        rule=Rule.KILL_SWITCH,
        effect=Effect.DEFER,
        reason=Reason.CONTROL_UNREACHABLE,
        until=case.now + CONTROL_RETRY,
        note="decided again as soon as control answers",
    )


def _paused(case: Case, pauses: list[Pause]) -> RuleResult:
    held = held_by(pauses)
    if not (case.intent.accepted or case.intent.hold_if_paused):
        return block(Rule.KILL_SWITCH, Reason.OPS_PAUSED, held.note)
    return held


def held_by(pauses: Sequence[Pause]) -> RuleResult:
    """Defer to the end of the last pause, or to a resume. `pauses` is not empty."""
    return RuleResult(
        rule=Rule.KILL_SWITCH,
        effect=Effect.DEFER,
        reason=Reason.OPS_PAUSED,
        until=_last_end(pauses),
        note="; ".join(dict.fromkeys(pause.note for pause in pauses)),
    )


def _last_end(pauses: Sequence[Pause]) -> datetime | None:
    ends = [pause.until for pause in pauses if pause.until is not None]
    return max(ends) if len(ends) == len(pauses) else None


def instance(case: Case) -> RuleResult:
    """Defer while the number is not registered or not connected."""
    if case.instance is not None and case.instance.connected:
        return PASSES[Rule.INSTANCE]
    note = "disconnected" if case.instance is not None else "not registered"
    return RuleResult(rule=Rule.INSTANCE, effect=Effect.DEFER, reason=Reason.INSTANCE_DISCONNECTED, note=note)


def cooldown(case: Case) -> RuleResult:
    """Defer to the end of a cooldown."""
    current = case.instance.cooldown if case.instance is not None else None
    if current is None or current.end_time <= case.now:
        return PASSES[Rule.COOLDOWN]
    return RuleResult(
        rule=Rule.COOLDOWN,
        effect=Effect.DEFER,
        reason=Reason.COOLDOWN_ACTIVE,
        until=current.end_time,
        resets_at=current.end_time,
        note=current.reason,
    )


def opening(case: Case) -> Opening | None:
    """Return when the recipient may be written to, at `goes_at` or next; None for at any hour."""
    hours = case.facts.policy.quiet_hours
    if hours is None or case.intent.category not in hours.categories:
        return None
    return hours.opening(timestamp(case.goes_at), case.intent.utc_offset)


def quiet_hours(case: Case) -> RuleResult:
    """Defer what would go in the recipient's quiet hours to their end; it takes its slot when they are over."""
    allowed = opening(case)
    if allowed is None or allowed.start <= timestamp(case.goes_at):
        return PASSES[Rule.QUIET_HOURS]
    return RuleResult(
        rule=Rule.QUIET_HOURS,
        effect=Effect.DEFER,
        reason=Reason.QUIET_HOURS,
        until=allowed.start,
        resets_at=allowed.start,
        note=f"the recipient's local time is UTC{case.intent.utc_offset:+d}",
    )


def hourly_cap(case: Case) -> RuleResult:
    """Defer to the slot in an hour that has room."""
    policy = case.facts.policy
    if policy.hourly_cap is None or case.instance is None:
        return PASSES[Rule.HOURLY_CAP]
    counts = case.instance.schedule.hours
    for hour in (hour_of(case.moment), hour_of(case.rested_at)):
        if counts.get(hour, 0) >= policy.hourly_cap and not case.holds_slot:
            return _full(
                case,
                rule=Rule.HOURLY_CAP,
                used=counts.get(hour, 0),
                limit=policy.hourly_cap,
                unit="messages/hour",
                resets_at=start_of_hour(hour + 1),
            )
    used = counts.get(hour_of(case.rested_at), 0)
    return _room(case, rule=Rule.HOURLY_CAP, used=used, limit=policy.hourly_cap, unit="messages/hour")


def daily_cap(case: Case) -> RuleResult:
    """Defer to the slot on a day that has room."""
    policy = case.facts.policy
    if policy.daily_cap is None or case.instance is None:
        return PASSES[Rule.DAILY_CAP]
    counts = case.instance.schedule.days
    for day in (day_of(case.moment), day_of(case.rested_at)):
        if counts.get(day, 0) >= policy.daily_cap and not case.holds_slot:
            return _full(
                case,
                rule=Rule.DAILY_CAP,
                used=counts.get(day, 0),
                limit=policy.daily_cap,
                unit="messages/day",
                resets_at=start_of_day(day + 1),
            )
    used = counts.get(day_of(case.rested_at), 0)
    return _room(case, rule=Rule.DAILY_CAP, used=used, limit=policy.daily_cap, unit="messages/day")


def _full(case: Case, *, rule: Rule, used: int, limit: int, unit: str, resets_at: int) -> RuleResult:
    """Return a DEFER to the slot; where no window will have room, to the window's end, to look again."""
    return RuleResult(
        rule=rule,
        effect=Effect.DEFER,
        reason=Reason.INSTANCE_CAP,
        until=timestamp(resets_at if case.slot is None else case.slot.at),
        used=used,
        limit=limit,
        unit=unit,
        resets_at=timestamp(resets_at),
    )


def _room(case: Case, *, rule: Rule, used: int, limit: int, unit: str) -> RuleResult:
    counted = used if case.holds_slot else used + 1
    return RuleResult(rule=rule, effect=Effect.PASS, used=counted, limit=limit, unit=unit)


def pace(case: Case) -> RuleResult:
    """Defer to when the instance is rested.

    `limit` is the time that a burst may speak for, `used` how much of it is spoken for: all of it where intents queue.
    """
    if case.instance is None:
        return PASSES[Rule.PACE]
    policy_pace = case.facts.policy.pace
    used = limit = None
    if policy_pace is not None and policy_pace.gap > 0:
        limit = policy_pace.burst * policy_pace.gap / SECOND
        used = min(limit, max(0, case.instance.schedule.tat - case.moment) / SECOND)
    if case.rested_at <= case.moment + NEAR:
        if used is None:
            return PASSES[Rule.PACE]
        return RuleResult(rule=Rule.PACE, effect=Effect.PASS, used=used, limit=limit, unit="seconds")
    rested = timestamp(case.rested_at)
    return RuleResult(
        rule=Rule.PACE,
        effect=Effect.DEFER,
        reason=Reason.PACE,
        until=rested,
        used=used,
        limit=limit,
        unit="seconds",
        resets_at=rested,
    )


INSTANCE_RULES: tuple[tuple[Rule, RuleFunction], ...] = (
    (Rule.KILL_SWITCH, kill_switch),
    (Rule.INSTANCE, instance),
    (Rule.COOLDOWN, cooldown),
    (Rule.QUIET_HOURS, quiet_hours),
    (Rule.HOURLY_CAP, hourly_cap),
    (Rule.DAILY_CAP, daily_cap),
    (Rule.PACE, pace),
)
