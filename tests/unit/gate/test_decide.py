"""`decide`: the rules in order, what defers to when, which limiter binds, and that it is pure and total."""

import copy
from datetime import timedelta

import pytest
from hypothesis import given, settings
from tests.unit.gate.cases import (
    CAMPAIGN,
    MOMENT,
    NOW,
    ORGANIZATION,
    any_case,
    controls,
    facts,
    instance,
    intent,
)

from gate.domain.case import Case
from gate.domain.decide import UNAVAILABLE_RETRY, decide
from gate.domain.decision import RuleResult
from gate.domain.facts import Controls, Cooldown, Facts, Intent, Pause, Scope
from gate.domain.instance_rules import INSTANCE_RULES
from gate.domain.intent_rules import INTENT_RULES
from gate.domain.moments import microseconds, timestamp
from gate.domain.policy import Pace, Policy
from gate.domain.schedule import HOUR, SECOND, Schedule, Slot, day_of, hour_of
from gate.domain.words import Effect, Outcome, Reason, Rule

COOLING = Cooldown(reason="SPAM_LIMIT", level=1, start_time=NOW, end_time=NOW + timedelta(minutes=30))
PAUSE = Pause(until=None, note="wrong template")
CAMPAIGN_SCOPE = Scope(ORGANIZATION, "", CAMPAIGN)
NEXT_HOUR = timestamp((hour_of(MOMENT) + 1) * HOUR)


def full_hour(used: int) -> Schedule:
    return Schedule(hours={hour_of(MOMENT): used}, days={day_of(MOMENT): used})


@pytest.mark.parametrize(
    ("changed_intent", "changed_facts", "outcome", "reason"),
    [
        ({}, {}, Outcome.APPROVED, None),
        ({"expire_time": NOW}, {"mobile": False}, Outcome.BLOCKED, Reason.INTENT_EXPIRED),
        ({}, {"mobile": False, "suppressed": True}, Outcome.BLOCKED, Reason.INVALID_RECIPIENT),
        ({}, {"suppressed": True, "duplicate": True}, Outcome.BLOCKED, Reason.OPTED_OUT),
        ({}, {"duplicate": True}, Outcome.BLOCKED, Reason.DUPLICATE_CONTENT),
        ({}, {"controls": controls(pauses={CAMPAIGN_SCOPE: PAUSE})}, Outcome.BLOCKED, Reason.OPS_PAUSED),
        (
            {"hold_if_paused": True},
            {"controls": controls(pauses={CAMPAIGN_SCOPE: PAUSE})},
            Outcome.QUEUED,
            Reason.OPS_PAUSED,
        ),
        (
            {"accepted": True},
            {"controls": controls("inst-1", pauses={Scope(ORGANIZATION, "inst-1", ""): PAUSE})},
            Outcome.QUEUED,
            Reason.OPS_PAUSED,
        ),
        ({}, {"controls": Controls()}, Outcome.QUEUED, Reason.CONTROL_UNREACHABLE),
        ({}, {"instances": ()}, Outcome.QUEUED, Reason.INSTANCE_DISCONNECTED),
        ({}, {"instances": (instance(connected=False),)}, Outcome.QUEUED, Reason.INSTANCE_DISCONNECTED),
        ({}, {"instances": (instance(cooldown=COOLING),)}, Outcome.QUEUED, Reason.COOLDOWN_ACTIVE),
        (
            {},
            {"instances": (instance(schedule=full_hour(3)),), "policy": Policy(hourly_cap=3)},
            Outcome.QUEUED,
            Reason.INSTANCE_CAP,
        ),
        (
            {},
            {"instances": (instance(schedule=full_hour(3)),), "policy": Policy(daily_cap=3)},
            Outcome.QUEUED,
            Reason.INSTANCE_CAP,
        ),
        ({}, {"policy": Policy(daily_cap=0)}, Outcome.QUEUED, Reason.INSTANCE_CAP),
    ],
)
def test_each_rule_has_its_effect(
    changed_intent: dict[str, object],
    changed_facts: dict[str, object],
    outcome: Outcome,
    reason: Reason | None,
) -> None:
    given_instances = changed_facts.pop("instances", (instance(),))
    decision = decide(intent(**changed_intent), facts(*given_instances, **changed_facts), NOW)  # type: ignore[misc]
    assert (decision.outcome, decision.reason) == (outcome, reason)
    assert [result.rule for result in decision.rules] == list(Rule)
    assert sum(result.decisive for result in decision.rules) == (reason is not None)


def test_the_latest_deferral_decides_and_an_event_is_later_than_any_time() -> None:
    cooling = instance(cooldown=COOLING, connected=False)
    decision = decide(intent(), facts(cooling), NOW)
    assert (decision.reason, decision.earliest_time) == (Reason.INSTANCE_DISCONNECTED, None)
    full = instance(cooldown=COOLING, schedule=full_hour(3))
    decision = decide(intent(), facts(full, policy=Policy(daily_cap=3)), NOW)
    assert decision.reason is Reason.INSTANCE_CAP
    assert decision.slot is None


def test_the_limiter_that_binds_is_the_one_that_decided() -> None:
    pace = Pace(gap=10 * SECOND, jitter=0, burst=1)
    full = instance(schedule=Schedule(tat=MOMENT + 5 * SECOND, hours={hour_of(MOMENT): 3}))
    decision = decide(intent(), facts(full, policy=Policy(pace=pace, hourly_cap=3)), NOW)
    assert decision.binding_limiter is Rule.HOURLY_CAP
    assert decision.earliest_time == NEXT_HOUR
    paced = instance(schedule=Schedule(tat=MOMENT + 5 * SECOND))
    decision = decide(intent(), facts(paced, policy=Policy(pace=pace, hourly_cap=3)), NOW)
    assert decision.binding_limiter is Rule.PACE
    assert decision.earliest_time == NOW + timedelta(seconds=5)
    cold = decide(intent(), facts(instance(cooldown=COOLING), policy=Policy(hourly_cap=3)), NOW)
    assert cold.binding_limiter is None
    assert cold.tightest_limit is not None
    assert (cold.tightest_limit.rule, cold.tightest_limit.used) == (Rule.HOURLY_CAP, 1)


def test_a_slot_within_a_second_passes_and_is_carried() -> None:
    pace = Pace(gap=SECOND, jitter=0, burst=1)
    near = instance(schedule=Schedule(tat=MOMENT + SECOND))
    decision = decide(intent(), facts(near, policy=Policy(pace=pace)), NOW)
    assert decision.outcome is Outcome.APPROVED
    assert decision.earliest_time == NOW + timedelta(seconds=1)
    far = instance(schedule=Schedule(tat=MOMENT + SECOND + 1))
    assert decide(intent(), facts(far, policy=Policy(pace=pace)), NOW).reason is Reason.PACE


def test_a_held_slot_is_kept_and_a_missed_one_is_not() -> None:
    pace = Pace(gap=10 * SECOND, jitter=0, burst=1)
    busy = instance(schedule=Schedule(tat=MOMENT + 3600 * SECOND))
    held = Slot(MOMENT - SECOND, 0, 0)
    kept = decide(intent(accepted=True), facts(busy, policy=Policy(pace=pace), held=held, held_by="inst-1"), NOW)
    assert (kept.outcome, kept.slot) == (Outcome.APPROVED, held)
    missed = Slot(MOMENT - 61 * SECOND, 0, 0)
    anew = decide(intent(accepted=True), facts(busy, policy=Policy(pace=pace), held=missed, held_by="inst-1"), NOW)
    assert (anew.reason, anew.slot is not missed) == (Reason.PACE, True)


def test_no_slot_is_taken_past_the_expiry() -> None:
    pace = Pace(gap=10 * SECOND, jitter=0, burst=1)
    busy = instance(schedule=Schedule(tat=MOMENT + 3600 * SECOND))
    decision = decide(intent(expire_time=NOW + timedelta(minutes=1)), facts(busy, policy=Policy(pace=pace)), NOW)
    assert (decision.outcome, decision.slot) == (Outcome.QUEUED, None)


def test_without_an_instance_the_earliest_slot_is_chosen_and_ties_go_to_the_least_used() -> None:
    one = instance("inst-1", schedule=full_hour(2))
    two = instance("inst-2", schedule=full_hour(1))
    off = instance("inst-3", connected=False)
    decision = decide(intent(instance_id=""), facts(one, two, off), NOW)
    assert decision.instance_id == "inst-2"
    note = next(result.note for result in decision.rules if result.rule is Rule.INSTANCE)
    assert note == "chose inst-2; passed over: inst-1 (LATER_SLOT), inst-3 (INSTANCE_DISCONNECTED)"


def test_a_pause_of_one_instance_does_not_block_what_another_can_send_or_will() -> None:
    paused = controls("inst-1", "inst-2", pauses={Scope(ORGANIZATION, "inst-1", ""): PAUSE})
    both = facts(instance("inst-1"), instance("inst-2"), controls=paused)
    assert decide(intent(instance_id=""), both, NOW).instance_id == "inst-2"
    waiting = facts(instance("inst-1"), instance("inst-2", connected=False), controls=paused)
    decision = decide(intent(instance_id=""), waiting, NOW)
    assert (decision.outcome, decision.instance_id) == (Outcome.QUEUED, "")
    alone = facts(instance("inst-1"), controls=paused)
    assert decide(intent(instance_id=""), alone, NOW).reason is Reason.OPS_PAUSED


def test_jitter_follows_from_the_id_and_stays_within_its_bounds() -> None:
    pace = Pace(gap=10 * SECOND, jitter=10 * SECOND, burst=1)
    wanted = intent()
    gaps = set()
    for _ in range(2):
        slot = decide(wanted, facts(instance(), policy=Policy(pace=pace)), NOW).slot
        assert slot is not None
        gaps.add(slot.after - slot.at)
    assert len(gaps) == 1
    assert 10 * SECOND <= gaps.pop() < 20 * SECOND


@pytest.mark.parametrize("rule", list(Rule))
def test_a_rule_that_fails_lets_nothing_pass_silently(rule: Rule) -> None:
    def fail(case: Case) -> RuleResult:
        raise ZeroDivisionError

    intent_rules = [(name, fail if name is rule else function) for name, function in INTENT_RULES]
    instance_rules = [(name, fail if name is rule else function) for name, function in INSTANCE_RULES]
    decision = decide(intent(), facts(instance()), NOW, intent_rules=intent_rules, instance_rules=instance_rules)
    assert (decision.outcome, decision.reason) == (Outcome.QUEUED, Reason.POLICY_UNAVAILABLE)
    assert decision.earliest_time == NOW + UNAVAILABLE_RETRY
    assert decision.slot is None
    assert decision.decisive is not None
    assert (decision.decisive.rule, decision.decisive.note) == (rule, "ZeroDivisionError")


def test_facts_that_make_no_sense_are_no_way_around_the_rules() -> None:
    decision = decide(intent(), facts(instance(schedule=None)), NOW)
    assert (decision.outcome, decision.reason) == (Outcome.QUEUED, Reason.POLICY_UNAVAILABLE)


@settings(max_examples=400, deadline=None)
@given(any_case())
def test_decide_is_total_and_changes_nothing(case: tuple[Intent, Facts]) -> None:
    wanted, known = case
    before = copy.deepcopy(known)
    decision = decide(wanted, known, NOW)
    assert known == before
    assert decide(wanted, known, NOW) == decision
    effects = {result.effect for result in decision.rules}
    assert decision.reason is not Reason.POLICY_UNAVAILABLE
    match decision.outcome:
        case Outcome.BLOCKED:
            first = next(result for result in decision.rules if result.effect is Effect.BLOCK)
            assert decision.reason is first.reason
            assert decision.slot is None
        case Outcome.QUEUED:
            assert effects <= {Effect.PASS, Effect.DEFER}
            assert decision.earliest_time is None or decision.earliest_time > NOW - timedelta(minutes=2)
            assert decision.slot is None or decision.slot.at < microseconds(wanted.expire_time)
        case Outcome.APPROVED:
            assert effects == {Effect.PASS}
            assert decision.slot is not None
            assert decision.slot.at <= MOMENT + SECOND
            assert decision.instance_id
            assert decision.approved_until is not None
            assert NOW < decision.approved_until <= wanted.expire_time
    if wanted.accepted:
        assert (decision.outcome, decision.reason) != (Outcome.BLOCKED, Reason.OPS_PAUSED)
