"""What waits with the gate: pauses, control away, slots, expiry, returns; each goes on when its event comes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tests.api.gate.conftest import Gate

from kernel.errors import Failure, Kind
from whatlead.gate.v1 import gate_pb2, gate_pb2_grpc, intent_pb2, policy_pb2


def after(seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return moment


async def test_a_paused_scope_blocks_new_intents_for_good(gate: Gate) -> None:
    await gate.provision("inst-1")
    control_id = gate.control.pause("CAMPAIGN", "welcome")
    submitted = await gate.submit_one()
    assert (submitted.decision.outcome, submitted.decision.reason) == (intent_pb2.OUTCOME_BLOCKED, "OPS_PAUSED")
    gate.control.resume(control_id)
    assert (await gate.get(submitted.intent_id)).state == intent_pb2.INTENT_STATE_BLOCKED
    await gate.until(lambda: gate.audit.life(submitted.intent_id) == [(1, "BLOCKED", "OPS_PAUSED")])


async def test_an_instance_pause_is_passed_over_when_another_can_be_chosen(gate: Gate) -> None:
    await gate.provision("inst-1", "inst-2")
    gate.control.pause("INSTANCE", "inst-1")
    assert (await gate.submit_one()).decision.instance_id == "inst-2"
    assert (await gate.submit_one(instance_id="inst-1")).decision.reason == "OPS_PAUSED"


async def test_what_is_told_to_hold_goes_at_once_after_the_resume(gate: Gate) -> None:
    await gate.provision("inst-1")
    control_id = gate.control.pause("ORGANIZATION")
    held = [result.submitted for result in await gate.submit(*(gate.intent(hold_if_paused=True) for _ in range(20)))]
    assert {submitted.decision.reason for submitted in held} == {"OPS_PAUSED"}
    assert not gate.executor.jobs
    gate.control.resume(control_id)
    await gate.until(lambda: len(gate.executor.jobs) == 20, seconds=3)
    await gate.until(lambda: len(gate.audit.life(held[0].intent_id)) == 2)
    assert gate.audit.life(held[0].intent_id) == [(1, "QUEUED", "OPS_PAUSED"), (2, "APPROVED", "")]


async def test_an_accepted_intent_that_meets_a_pause_waits_and_nothing_is_written_for_it(gate: Gate) -> None:
    pace = policy_pb2.Pace(gap=Duration(seconds=2), burst=1)
    await gate.provision("inst-1", policy=policy_pb2.Policy(pace=pace))
    first, second = [result.submitted for result in await gate.submit(gate.intent(), gate.intent())]
    assert (first.decision.reason, second.decision.reason) == ("", "PACE")
    control_id = gate.control.pause("CAMPAIGN", "welcome")
    await asyncio.sleep(2.5)
    assert len(gate.executor.jobs) == 1
    intent = await gate.get(second.intent_id)
    assert (intent.state, intent.decision.number) == (intent_pb2.INTENT_STATE_QUEUED, 1)
    gate.control.resume(control_id)
    await gate.until(lambda: len(gate.executor.jobs) == 2, seconds=3)
    await gate.until(lambda: len(gate.audit.life(second.intent_id)) == 2)


async def test_a_slot_is_kept_until_a_second_before_it_and_the_job_carries_it(gate: Gate) -> None:
    pace = policy_pb2.Pace(gap=Duration(seconds=2), burst=1)
    await gate.provision("inst-1", policy=policy_pb2.Policy(pace=pace))
    submitted = [result.submitted for result in await gate.submit(*(gate.intent() for _ in range(3)))]
    slot = submitted[2].decision.earliest_time
    await gate.until(lambda: len(gate.executor.jobs) == 3)
    arrived = datetime.now(UTC).timestamp()
    job = gate.executor.jobs[2]
    assert job.not_before.ToNanoseconds() == slot.ToNanoseconds()
    assert slot.ToNanoseconds() / 1e9 - arrived <= 1.0
    assert slot.ToNanoseconds() / 1e9 - arrived > 0.2
    intent = await gate.get(submitted[2].intent_id)
    assert (intent.decision.number, intent.decision.decided_by) == (2, "system")


async def test_control_away_queues_and_decides_again_when_it_answers(gate: Gate) -> None:
    await gate.provision("inst-1")
    gate.control.away = True
    submitted = await gate.submit_one()
    assert (submitted.decision.outcome, submitted.decision.reason) == (
        intent_pb2.OUTCOME_QUEUED,
        "CONTROL_UNREACHABLE",
    )
    await asyncio.sleep(1.5)
    assert not gate.executor.jobs
    gate.control.away = False
    await gate.until(lambda: gate.executor.jobs, seconds=4)
    await gate.until(lambda: len(gate.audit.life(submitted.intent_id)) == 2)


async def test_what_expires_while_it_waits_ends_as_expired(gate: Gate) -> None:
    await gate.put_policy(policy_pb2.Policy())
    submitted = await gate.submit_one(instance_id="inst-9", expire_time=after(1))
    await gate.until(lambda: len(gate.audit.life(submitted.intent_id)) == 2)
    assert gate.audit.life(submitted.intent_id) == [
        (1, "QUEUED", "INSTANCE_DISCONNECTED"),
        (2, "EXPIRED", "INTENT_EXPIRED"),
    ]
    assert (await gate.get(submitted.intent_id)).state == intent_pb2.INTENT_STATE_EXPIRED


async def test_what_has_expired_already_is_blocked(gate: Gate) -> None:
    await gate.provision("inst-1")
    assert (await gate.submit_one(expire_time=after(-1))).decision.reason == "INTENT_EXPIRED"


async def test_a_returned_intent_is_decided_again_with_the_executors_sequence_once(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one()
    returned = gate_pb2.ReturnedIntent(
        organization_id="demo",
        intent_id=submitted.intent_id,
        decision_number=1,
        sequence=5,
        reason="APPROVAL_EXPIRED",
    )
    request = gate_pb2.ReturnIntentsRequest(intents=[returned, returned])
    assert not (await gate.from_executor.ReturnIntents(request)).refusals
    await gate.until(lambda: len(gate.executor.jobs) == 2)
    assert not (await gate.from_executor.ReturnIntents(request)).refusals
    intent = await gate.get(submitted.intent_id)
    assert intent.decision.number == 2
    job = gate.executor.jobs[1]
    assert (job.decision_number, job.sequence) == (2, 6)
    await gate.until(lambda: len(gate.audit.life(submitted.intent_id)) == 2)
    assert gate.audit.life(submitted.intent_id) == [(1, "APPROVED", ""), (5, "APPROVED", "")]
    unknown = gate_pb2.ReturnedIntent(
        organization_id="demo", intent_id="01890a5d-ac96-774b-bcce-b302099a8057", decision_number=1, sequence=5
    )
    refusals = (await gate.from_executor.ReturnIntents(gate_pb2.ReturnIntentsRequest(intents=[unknown]))).refusals
    assert [refusal.item_id for refusal in refusals] == ["01890a5d-ac96-774b-bcce-b302099a8057"]


async def test_a_returned_intent_that_has_expired_ends_with_its_event(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(expire_time=after(0.5))
    await asyncio.sleep(0.6)
    returned = gate_pb2.ReturnedIntent(
        organization_id="demo", intent_id=submitted.intent_id, decision_number=1, sequence=4
    )
    await gate.from_executor.ReturnIntents(gate_pb2.ReturnIntentsRequest(intents=[returned]))
    await gate.until(lambda: gate.audit.life(submitted.intent_id)[1:] == [(4, "EXPIRED", "INTENT_EXPIRED")])
    assert (await gate.get(submitted.intent_id)).state == intent_pb2.INTENT_STATE_EXPIRED


async def test_a_new_policy_gives_those_that_wait_new_slots(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=2, daily_cap=3))
    results = [result.submitted for result in await gate.submit(*(gate.intent() for _ in range(6)))]
    assert sum(submitted.decision.reason == "" for submitted in results) == 2
    await gate.put_policy(policy_pb2.Policy())
    await gate.until(lambda: len(gate.executor.jobs) == 6)


async def test_backlog_is_measured_for_organizations_with_waiting_work(gate: Gate) -> None:
    await gate.put_policy(policy_pb2.Policy())
    await gate.submit_one(instance_id="inst-9")
    event = await gate.until(
        lambda: next((event for event in gate.audit.events if event.HasField("backlog")), None), seconds=15
    )
    assert event.backlog.waiting == 1


async def test_control_is_told_how_much_waits_and_nobody_else(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    await gate.submit(*(gate.intent(instance_id="inst-1") for _ in range(4)))
    await gate.submit_one(campaign_id="bye")
    request = gate_pb2.CountWorkRequest(organization_id="demo", campaign_id="welcome")
    control = gate_pb2_grpc.GateServiceStub(gate.server.internal_channel(service="control"))
    (count,) = (await control.CountWork(request)).counts
    assert (count.organization_id, count.instance_id, count.campaign_id, count.intents) == (
        "demo",
        "inst-1",
        "welcome",
        3,
    )
    with pytest.raises(Failure) as raised:
        await gate.from_executor.CountWork(request)
    assert raised.value.kind is Kind.PERMISSION_DENIED


async def test_an_intent_in_a_paused_scope_says_so_with_who_why_and_until_when(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    await gate.submit_one()
    waiting, other = await gate.submit_one(), await gate.submit_one(campaign_id="bye")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    control_id = gate.control.pause("CAMPAIGN", "welcome", until=until)

    async def paused() -> bool:
        return (await gate.get(waiting.intent_id)).decision.reason == "OPS_PAUSED"

    await gate.until(paused)
    decision = (await gate.get(waiting.intent_id)).decision
    assert (decision.number, decision.outcome) == (1, intent_pb2.OUTCOME_QUEUED)
    assert decision.earliest_time.ToDatetime(tzinfo=UTC) == until
    assert decision.note == f"wrong template (by ana, MANUAL, {control_id})"
    assert [(rule.rule, rule.note) for rule in decision.rules if rule.decisive] == [("kill_switch", decision.note)]
    listed = {
        one.intent_id: one.decision for one in (await gate.intents.ListIntents(gate_pb2.ListIntentsRequest())).intents
    }
    assert (listed[waiting.intent_id].reason, listed[waiting.intent_id].note) == ("OPS_PAUSED", decision.note)
    assert listed[other.intent_id].reason == "INSTANCE_CAP"
    assert not listed[waiting.intent_id].rules

    gate.control.resume(control_id)
    await gate.until(lambda: not gate.control.live)

    async def back() -> bool:
        return (await gate.get(waiting.intent_id)).decision.reason == "INSTANCE_CAP"

    await gate.until(back)
    await gate.until(lambda: bool(gate.audit.life(waiting.intent_id)))
    assert len(gate.audit.life(waiting.intent_id)) == 1


async def test_a_refusal_says_who_paused_and_on_whose_behalf(gate: Gate) -> None:
    await gate.provision("inst-1")
    control_id = gate.control.pause("ORGANIZATION")
    decision = (await gate.submit_one()).decision
    assert (decision.reason, decision.note) == ("OPS_PAUSED", f"wrong template (by ana, MANUAL, {control_id})")
