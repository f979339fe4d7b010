"""SubmitIntent and SubmitIntents: verdicts, per-item results, idempotency, and what leaves with the commit."""

import asyncio

import pytest
from google.rpc import error_details_pb2
from tests.api.gate.conftest import Gate

from chassis.database import Query
from kernel.errors import Failure, Kind
from whatlead.gate.v1 import gate_pb2, intent_pb2, policy_pb2


async def test_an_approved_intent_is_handed_over_with_its_number_and_told(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient="+5511987654321", reference="lead-1")
    assert submitted.decision.outcome == intent_pb2.OUTCOME_APPROVED
    assert submitted.decision.control_version == 7
    assert submitted.decision.policy_version == 1
    assert submitted.decision.instance_id == "inst-1"
    job = (await gate.until(lambda: gate.executor.jobs))[0]
    assert job.intent_id == submitted.intent_id
    assert (job.recipient, job.template.name, job.template.language) == (
        "+5511987654321",
        "boas_vindas_v2",
        "pt_BR",
    )
    assert (job.sequence, job.decision_number, job.instance_id) == (2, 1, "inst-1")
    assert gate.executor.lanes[-1].instance_id == "inst-1"
    events = await gate.until(lambda: gate.audit.life(submitted.intent_id))
    assert events == [(1, "APPROVED", "")]
    event = next(event for event in gate.audit.events if event.aggregate_id == submitted.intent_id)
    assert event.decision.reference == "lead-1"
    assert event.trace_id == job.traceparent[3:35]
    assert "987654321" not in str(gate.audit.events)


async def test_each_item_has_its_own_result(gate: Gate) -> None:
    await gate.provision("inst-1")
    results = await gate.submit(
        gate.intent(),
        gate.intent(campaign_id="not allowed!", category=0),
        gate.intent(recipient="+551133224455"),
        gate.intent(recipient=""),
    )
    assert [result.WhichOneof("result") for result in results] == ["submitted", "error", "submitted", "submitted"]
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in results[1].error.details)
    assert {violation.field for violation in bad.field_violations} == {
        "intents[1].campaign_id",
        "intents[1].category",
    }
    assert [result.submitted.decision.reason for result in results[2:]] == ["INVALID_RECIPIENT"] * 2
    listed = await gate.intents.ListIntents(gate_pb2.ListIntentsRequest())
    assert len(listed.intents) == 3


@pytest.mark.parametrize("method", ["SubmitIntent", "EvaluateIntent"])
async def test_a_lone_intent_is_held_to_the_same_rules(gate: Gate, method: str) -> None:
    await gate.provision("inst-1")
    ask, request = getattr(gate.intents, method), getattr(gate_pb2, f"{method}Request")
    with pytest.raises(Failure) as broken:
        await ask(request(intent=gate.intent(campaign_id="not allowed!", category=0)))
    assert {violation.field for violation in broken.value.violations} == {"intent.campaign_id", "intent.category"}
    naming = gate.intent(recipient="+5511987654321", reference="call 987654321")
    with pytest.raises(Failure) as told:
        await ask(request(intent=naming))
    assert {violation.field for violation in told.value.violations} == {"intent.reference"}
    assert not (await gate.intents.ListIntents(gate_pb2.ListIntentsRequest())).intents


async def test_the_same_request_id_is_the_same_intent(gate: Gate) -> None:
    await gate.provision("inst-1")
    intent = gate.intent()
    first, again = await gate.submit(intent, intent)
    assert (first.submitted.replayed, again.submitted.replayed) == (False, True)
    later = (await gate.submit(intent))[0].submitted
    assert (later.intent_id, later.replayed) == (first.submitted.intent_id, True)
    assert later.decision.outcome == intent_pb2.OUTCOME_APPROVED
    other = gate.intent(request_id=intent.request_id)
    error = (await gate.submit(other))[0].error
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in error.details)
    assert info.reason == "REQUEST_ID_REUSED"
    with pytest.raises(Failure) as raised:
        await gate.intents.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=other))
    assert raised.value.kind is Kind.ALREADY_EXISTS
    await gate.until(lambda: gate.executor.jobs)
    assert len(gate.executor.jobs) == 1


async def test_duplicates_are_blocked_within_a_batch_and_after_it_in_both_forms(gate: Gate) -> None:
    await gate.provision("inst-1")
    results = await gate.submit(
        gate.intent(recipient="+5511987654321"),
        gate.intent(recipient="+551187654321"),
        gate.intent(recipient="+5511987654321", campaign_id="other"),
    )
    assert [result.submitted.decision.reason for result in results] == ["", "DUPLICATE_CONTENT", ""]
    again = await gate.submit_one(recipient="+5511987654321")
    assert again.decision.reason == "DUPLICATE_CONTENT"
    assert again.decision.outcome == intent_pb2.OUTCOME_BLOCKED


async def test_caps_hold_inside_a_batch(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=3, daily_cap=5))
    results = await gate.submit(*(gate.intent() for _ in range(7)))
    decisions = [result.submitted.decision for result in results]
    assert [decision.reason for decision in decisions] == ["", "", ""] + ["INSTANCE_CAP"] * 4
    assert {decision.binding_limiter for decision in decisions[3:]} <= {"instance_hourly_cap", "instance_daily_cap"}
    hours = {decision.earliest_time.seconds // 3600 for decision in decisions[3:5]}
    assert len(hours) == 1
    assert decisions[3].earliest_time.seconds % 3600 == 0
    assert decisions[6].earliest_time.seconds > decisions[4].earliest_time.seconds


async def test_a_cap_of_nothing_lets_nothing_pass_and_is_looked_at_again_at_the_windows_end(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=0))
    decision = (await gate.submit_one()).decision
    assert (decision.outcome, decision.reason) == (intent_pb2.OUTCOME_QUEUED, "INSTANCE_CAP")
    assert decision.earliest_time.seconds % 3600 == 0
    assert decision.tightest_limit.rule == "instance_hourly_cap"


async def test_concurrent_singles_share_transactions_and_all_are_answered(gate: Gate) -> None:
    await gate.provision("inst-1")
    checks = gate.control.checks
    answers = await asyncio.gather(*(gate.submit_one() for _ in range(60)))
    assert len({answer.intent_id for answer in answers}) == 60
    assert gate.control.checks - checks < 40
    await gate.until(lambda: len(gate.executor.jobs) == 60)


async def test_without_an_instance_the_one_with_the_earliest_slot_is_chosen(gate: Gate) -> None:
    pace = policy_pb2.Pace(burst=1)
    pace.gap.FromSeconds(30)
    await gate.provision("inst-1", "inst-2", policy=policy_pb2.Policy(pace=pace))
    results = await gate.submit(gate.intent(), gate.intent(), gate.intent())
    decisions = [result.submitted.decision for result in results]
    assert {decision.instance_id for decision in decisions[:2]} == {"inst-1", "inst-2"}
    assert [decision.reason for decision in decisions] == ["", "", "PACE"]
    intent = await gate.get(results[2].submitted.intent_id)
    assert [rule.rule for rule in intent.decision.rules] == [
        "expired",
        "recipient",
        "suppressed",
        "duplicate_content",
        "kill_switch",
        "instance",
        "cooldown",
        "quiet_hours",
        "instance_hourly_cap",
        "instance_daily_cap",
        "instance_pace",
    ]
    assert "passed over: inst-2" in intent.decision.rules[5].note
    assert intent.decision.rules[-1].decisive


async def test_a_named_instance_that_is_not_registered_waits_and_goes_when_it_is(gate: Gate) -> None:
    await gate.put_policy(policy_pb2.Policy())
    submitted = await gate.submit_one(instance_id="inst-9")
    assert submitted.decision.reason == "INSTANCE_DISCONNECTED"
    await gate.provision("inst-9")
    await gate.until(lambda: gate.executor.jobs)
    events = await gate.until(
        lambda: len(gate.audit.life(submitted.intent_id)) == 2 and gate.audit.life(submitted.intent_id)
    )
    assert events == [(1, "QUEUED", "INSTANCE_DISCONNECTED"), (2, "APPROVED", "")]
    assert gate.executor.jobs[0].sequence == 3


async def test_evaluate_says_the_same_and_writes_nothing(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    intent = gate.intent()
    request = gate_pb2.EvaluateIntentRequest(intent=intent)
    assert (await gate.intents.EvaluateIntent(request)).decision.outcome == intent_pb2.OUTCOME_APPROVED
    assert (await gate.intents.EvaluateIntent(request)).decision.outcome == intent_pb2.OUTCOME_APPROVED
    assert not (await gate.intents.ListIntents(gate_pb2.ListIntentsRequest())).intents
    await gate.submit_one()
    decision = (await gate.intents.EvaluateIntent(request)).decision
    assert decision.reason == "INSTANCE_CAP"
    assert len(decision.rules) == 11


async def test_the_local_time_of_the_recipient_is_kept_beside_the_sealed_number(gate: Gate) -> None:
    await gate.provision("inst-1")
    for number in ("+5568987654321", "+5511987654321", "junk"):
        await gate.submit_one(recipient=number)
    async with gate.database.autocommit() as tx:
        kept = await tx.fetch(Query.of("test", "SELECT utc_offset FROM intent ORDER BY intent_id"))
    assert [row.utc_offset for row in kept] == [-5, -3, -3]
