"""Instances, policies, suppressions, cancellations and signals: who may, what is refused, what follows."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from tests.api.gate.conftest import Gate

from kernel.errors import Failure, Kind
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import (
    gate_pb2,
    gate_pb2_grpc,
    instance_pb2,
    instance_pb2_grpc,
    intent_pb2,
    policy_pb2,
    policy_pb2_grpc,
    signal_pb2,
)

CANCELED, TOO_LATE, UNKNOWN = (
    intent_pb2.CANCEL_OUTCOME_CANCELED,
    intent_pb2.CANCEL_OUTCOME_TOO_LATE,
    intent_pb2.CANCEL_OUTCOME_NOT_FOUND,
)


def update(request_id: str, mask: str, **values: object) -> instance_pb2.UpdateInstanceRequest:
    return instance_pb2.UpdateInstanceRequest(
        request_id=request_id,
        instance=instance_pb2.Instance(instance_id="inst-1", **values),  # type: ignore[arg-type]
        update_mask=FieldMask(paths=[mask]),
    )


def signal(kind: str, signal_id: str, **values: object) -> signal_pb2.Signal:
    moment = Timestamp()
    moment.GetCurrentTime()
    given = {"instance_id": "inst-1", "occurred_at": moment, **values}
    return signal_pb2.Signal(
        signal_id=signal_id,
        kind=signal_pb2.SignalKind.Value(f"SIGNAL_KIND_{kind}"),
        **given,  # type: ignore[arg-type]
    )


async def report(gate: Gate, *signals: signal_pb2.Signal) -> signal_pb2.ReportSignalsResponse:
    return await gate.signals.ReportSignals(signal_pb2.ReportSignalsRequest(signals=signals))


async def test_an_instance_is_created_once_read_changed_and_listed(gate: Gate) -> None:
    await gate.provision("inst-1", "inst-2")
    await gate.provision("inst-1")
    with pytest.raises(Failure) as raised:
        await gate.instances.CreateInstance(
            instance_pb2.CreateInstanceRequest(
                request_id="other",
                instance=instance_pb2.Instance(instance_id="inst-1", provider="whatsapp_cloud", provider_account="2"),
            )
        )
    assert raised.value.reason == "ALREADY_EXISTS"
    page = await gate.instances.ListInstances(instance_pb2.ListInstancesRequest(page_size=1))
    assert [instance.instance_id for instance in page.instances] == ["inst-1"]
    page = await gate.instances.ListInstances(
        instance_pb2.ListInstancesRequest(page_size=1, page_token=page.next_page_token)
    )
    assert ([instance.instance_id for instance in page.instances], page.next_page_token) == (["inst-2"], "")
    before = page.instances[0].etag
    changed = (await gate.instances.UpdateInstance(update("u-1", "display_name", display_name="Main"))).instance
    assert (changed.display_name, changed.etag) == ("Main", "2")
    with pytest.raises(Failure) as raised:
        await gate.instances.UpdateInstance(update("u-2", "display_name", display_name="No", etag=before))
    assert raised.value.kind is Kind.ABORTED
    with pytest.raises(Failure) as raised:
        await gate.instances.UpdateInstance(update("u-3", "provider", provider="whatsapp_cloud"))
    assert raised.value.violations[0].field == "update_mask"


async def test_a_disconnected_instance_waits_until_it_is_connected(gate: Gate) -> None:
    await gate.provision("inst-1")
    disconnected = instance_pb2.CONNECTION_DISCONNECTED
    await gate.instances.UpdateInstance(update("u-1", "connection", connection=disconnected))
    assert (await gate.submit_one()).decision.reason == "INSTANCE_DISCONNECTED"
    await report(gate, signal("CONNECTED", "s-1"))
    await gate.until(lambda: gate.executor.jobs, seconds=3)


async def test_policies_have_versions_and_etags(gate: Gate) -> None:
    default = await gate.policies.GetPolicy(policy_pb2.GetPolicyRequest())
    assert (default.version, default.policy.hourly_cap, default.policy.daily_cap) == (0, 80, 500)
    assert default.policy.pace.gap.seconds == 10
    wanted = policy_pb2.Policy(hourly_cap=5, pace=policy_pb2.Pace(gap=Duration(nanos=20_000_000)))
    request = policy_pb2.UpdatePolicyRequest(request_id="p", policy=wanted, etag=default.etag, validate_only=True)
    assert (await gate.policies.UpdatePolicy(request)).version == 1
    assert (await gate.policies.GetPolicy(policy_pb2.GetPolicyRequest())).version == 0
    request.validate_only = False
    assert (await gate.policies.UpdatePolicy(request)).version == 1
    assert (await gate.policies.UpdatePolicy(request)).version == 1
    request.request_id = "p-2"
    with pytest.raises(Failure) as raised:
        await gate.policies.UpdatePolicy(request)
    assert raised.value.reason == "ETAG_MISMATCH"
    stored = await gate.policies.GetPolicy(policy_pb2.GetPolicyRequest())
    assert (stored.version, stored.created_by, stored.policy.HasField("daily_cap")) == (1, "tester", False)


async def test_lanes_follow_instances_and_policies(gate: Gate) -> None:
    await gate.provision("inst-1")
    await gate.put_policy(policy_pb2.Policy(pace=policy_pb2.Pace(gap=Duration(seconds=3), burst=4)))
    lane = await gate.until(lambda: next((lane for lane in gate.executor.lanes if lane.gap.seconds == 3), None))
    assert (lane.burst, lane.provider_account) == (4, "1")
    assert lane.version == max(lane.version for lane in gate.executor.lanes)


async def test_a_suppression_blocks_both_forms_and_cancels_what_waits_or_was_handed_over(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    first = await gate.submit_one(recipient="+5511987654321")
    second = await gate.submit_one(recipient="+551187654321", campaign_id="other")
    assert second.decision.reason == "INSTANCE_CAP"
    request = policy_pb2.AddSuppressionsRequest(request_id="s", recipients=["+551187654321"], reason="asked")
    response = await gate.policies.AddSuppressions(request)
    assert (response.added, response.canceled) == (1, 2)
    assert (await gate.get(first.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED
    assert (await gate.get(second.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED
    assert gate.executor.cancels[0].intent_ids == [first.intent_id]
    await gate.until(lambda: gate.audit.life(second.intent_id)[-1:] == [(2, "CANCELED", "OPTED_OUT")])
    assert (await gate.submit_one(recipient="+5511987654321", campaign_id="x")).decision.reason == "OPTED_OUT"
    listed = (await gate.policies.ListSuppressions(policy_pb2.ListSuppressionsRequest())).suppressions
    assert [(one.reason, one.created_by) for one in listed] == [("asked", "tester")]
    removed = await gate.policies.RemoveSuppressions(
        policy_pb2.RemoveSuppressionsRequest(request_id="r", recipients=["+5511987654321"], reason="again")
    )
    assert removed.removed == 1
    # The slots of both were given back: the only one of this hour is free again.
    assert (await gate.submit_one(recipient="+5511987654321", campaign_id="x")).decision.reason == ""


async def test_a_suppression_holds_while_the_executor_is_away_and_reaches_it_later(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient="+5511987654321")
    await gate.until(lambda: gate.executor.jobs)
    gate.executor.away = True
    request = policy_pb2.AddSuppressionsRequest(request_id="s", recipients=["+5511987654321"], reason="asked")
    with pytest.raises(Failure) as raised:
        await gate.policies.AddSuppressions(request)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "EXECUTOR_UNREACHABLE")
    assert len((await gate.policies.ListSuppressions(policy_pb2.ListSuppressionsRequest())).suppressions) == 1
    gate.executor.away = False

    async def canceled() -> bool:
        return (await gate.get(submitted.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED

    await gate.until(canceled)
    assert (await gate.policies.AddSuppressions(request)).added == 1


async def test_a_number_that_is_none_fails_the_suppression_with_its_place(gate: Gate) -> None:
    request = policy_pb2.AddSuppressionsRequest(request_id="s", recipients=["+5511987654321", "n/a"], reason="x")
    with pytest.raises(Failure) as raised:
        await gate.policies.AddSuppressions(request)
    assert [violation.field for violation in raised.value.violations] == ["recipients[1]"]
    assert not (await gate.policies.ListSuppressions(policy_pb2.ListSuppressionsRequest())).suppressions


async def test_cancel_ends_what_waits_and_asks_the_executor_about_the_rest(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=2))
    results = await gate.submit(*(gate.intent() for _ in range(3)))
    first, begun, waiting = [result.submitted.intent_id for result in results]
    gate.executor.begun.add(begun)
    ids = [waiting, begun, first, "01890a5d-ac96-774b-bcce-b302099a8057"]
    request = gate_pb2.CancelIntentsRequest(request_id="c", intent_ids=ids)
    gate.executor.away = True
    with pytest.raises(Failure) as raised:
        await gate.intents.CancelIntents(request)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "EXECUTOR_UNREACHABLE")
    assert (await gate.get(waiting)).state == intent_pb2.INTENT_STATE_QUEUED
    gate.executor.away = False
    preview = gate_pb2.CancelIntentsRequest(request_id="c-0", intent_ids=ids, validate_only=True)
    expected = [CANCELED, TOO_LATE, CANCELED, UNKNOWN]
    assert [result.outcome for result in (await gate.intents.CancelIntents(preview)).results] == expected
    assert (await gate.get(waiting)).state == intent_pb2.INTENT_STATE_QUEUED
    assert gate.executor.cancels[0].validate_only
    for _ in range(2):
        answer = await gate.intents.CancelIntents(request)
        assert [result.outcome for result in answer.results] == expected
    assert (await gate.get(waiting)).state == intent_pb2.INTENT_STATE_CANCELED
    assert (await gate.get(first)).state == intent_pb2.INTENT_STATE_CANCELED
    assert (await gate.get(begun)).state == intent_pb2.INTENT_STATE_APPROVED
    await gate.until(lambda: gate.audit.life(waiting) == [(1, "QUEUED", "INSTANCE_CAP"), (2, "CANCELED", "")])
    assert gate.audit.life(first) == [(1, "APPROVED", "")]


async def test_a_spam_limit_starts_a_cooldown_and_ending_it_lets_go(gate: Gate) -> None:
    await gate.provision("inst-1")
    spam = signal("SPAM_LIMIT", "spam-1", code="131048")
    assert not (await report(gate, spam, spam)).refusals
    await report(gate, spam)
    instance = (await gate.instances.GetInstance(instance_pb2.GetInstanceRequest(instance_id="inst-1"))).instance
    assert (instance.cooldown.reason, instance.cooldown.level) == ("SPAM_LIMIT", 1)
    assert instance.cooldown.end_time.seconds - instance.cooldown.start_time.seconds == 1800
    submitted = await gate.submit_one()
    assert submitted.decision.reason == "COOLDOWN_ACTIVE"
    assert submitted.decision.earliest_time == instance.cooldown.end_time
    request = instance_pb2.EndCooldownRequest(request_id="e", instance_id="inst-1", reason="cleared")
    assert not (await gate.instances.EndCooldown(request)).instance.HasField("cooldown")
    await gate.until(lambda: gate.executor.jobs, seconds=3)
    await gate.until(lambda: len(gate.audit.about("inst-1")) == 2)
    assert [event_pb2.EventType.Name(event.type) for event in gate.audit.about("inst-1")] == [
        "EVENT_TYPE_INSTANCE_COOLDOWN_STARTED",
        "EVENT_TYPE_INSTANCE_COOLDOWN_ENDED",
    ]
    with pytest.raises(Failure) as raised:
        await gate.instances.EndCooldown(
            instance_pb2.EndCooldownRequest(request_id="e-2", instance_id="inst-1", reason="again")
        )
    assert raised.value.kind is Kind.FAILED_PRECONDITION
    await report(gate, signal("SPAM_LIMIT", "spam-2"))
    instance = (await gate.instances.GetInstance(instance_pb2.GetInstanceRequest(instance_id="inst-1"))).instance
    assert instance.cooldown.level == 2


async def test_failures_above_their_share_start_a_cooldown_that_ends_by_itself(gate: Gate) -> None:
    await gate.provision(
        "inst-1",
        policy=policy_pb2.Policy(
            failure_threshold=policy_pb2.FailureThreshold(share=0.1, minimum_sends=100, minimum_failures=10),
            cooldown_steps=[Duration(seconds=2)],
        ),
    )
    await report(gate, signal("SENT", "a", count=150), signal("FAILED", "b", count=15, code="131026"))
    assert (await gate.submit_one()).decision.reason == ""
    await report(gate, signal("FAILED", "c", count=25))
    submitted = await gate.submit_one()
    assert submitted.decision.reason == "COOLDOWN_ACTIVE"
    await gate.until(lambda: len(gate.executor.jobs) == 2)
    started, ended = await gate.until(lambda: len(gate.audit.about("inst-1")) == 2 and gate.audit.about("inst-1"))
    assert (started.reason, started.cooldown.failures, started.cooldown.sends) == ("FAILURE_SHARE", 40, 190)
    assert ended.occurred_at == started.cooldown.end_time


async def test_signals_about_one_recipient_suppress_it_or_free_its_content(gate: Gate) -> None:
    await gate.provision("inst-1")
    first = await gate.submit_one(recipient="+5511987654321")
    second = await gate.submit_one(recipient="+5521987654321")
    await report(gate, signal("FAILED", "f", intent_id=first.intent_id))
    assert (await gate.submit_one(recipient="+5511987654321")).decision.reason == ""
    await report(gate, signal("OPTED_OUT", "o", intent_id=second.intent_id))
    assert (await gate.submit_one(recipient="+552187654321", campaign_id="x")).decision.reason == "OPTED_OUT"


async def test_a_locked_account_asks_control_for_a_pause_once(gate: Gate) -> None:
    await gate.provision("inst-1")
    request = signal_pb2.ReportSignalsRequest(
        signals=[signal("ACCOUNT_LOCKED", f"l-{n}", code="131031", organization_id="demo") for n in range(3)]
    )
    gate.control.away = True
    assert not (await gate.signals_from_executor.ReportSignals(request)).refusals
    gate.control.away = False
    asked = (await gate.until(lambda: gate.control.asked))[0]
    assert (asked.organization_id, asked.target, asked.source) == ("demo", "inst-1", 3)
    assert len(gate.control.asked) == 1


async def test_bad_signals_are_set_aside_alone(gate: Gate) -> None:
    await gate.provision("inst-1")
    bad = signal("SENT", "", instance_id="no good", organization_id="demo")
    refusals = (await report(gate, signal("SENT", "ok"), bad)).refusals
    assert [refusal.item_id for refusal in refusals] == ["#1"]


async def test_another_organization_sees_nothing_and_a_member_changes_nothing(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one()
    other = gate.server.public_channel(organization_id="other")
    stranger = gate_pb2_grpc.GateServiceStub(other)
    for request in (
        gate_pb2.GetIntentRequest(intent_id=submitted.intent_id),
        gate_pb2.GetIntentRequest(request_id="r-1"),
    ):
        with pytest.raises(Failure) as raised:
            await stranger.GetIntent(request)
        assert raised.value.kind is Kind.NOT_FOUND
    assert not (await stranger.ListIntents(gate_pb2.ListIntentsRequest())).intents
    cancel = gate_pb2.CancelIntentsRequest(request_id="c", intent_ids=[submitted.intent_id])
    assert [result.outcome for result in (await stranger.CancelIntents(cancel)).results] == [UNKNOWN]
    with pytest.raises(Failure) as raised:
        await instance_pb2_grpc.InstanceServiceStub(other).GetInstance(
            instance_pb2.GetInstanceRequest(instance_id="inst-1")
        )
    assert raised.value.kind is Kind.NOT_FOUND
    member = policy_pb2_grpc.PolicyServiceStub(gate.server.public_channel(role="member"))
    assert (await member.GetPolicy(policy_pb2.GetPolicyRequest())).version == 1
    with pytest.raises(Failure) as raised:
        await member.UpdatePolicy(policy_pb2.UpdatePolicyRequest(request_id="p", policy=policy_pb2.Policy()))
    assert raised.value.kind is Kind.PERMISSION_DENIED


async def test_lists_are_paged_filtered_and_bound_to_their_filter(gate: Gate) -> None:
    await gate.provision("inst-1")
    await gate.submit(*(gate.intent(reference=f"lead-{n}", campaign_id=f"c-{n % 2}") for n in range(5)))
    request = gate_pb2.ListIntentsRequest(page_size=2, campaign_id="c-0")
    page = await gate.intents.ListIntents(request)
    assert [intent.reference for intent in page.intents] == ["lead-4", "lead-2"]
    request.page_token = page.next_page_token
    page = await gate.intents.ListIntents(request)
    assert ([intent.reference for intent in page.intents], page.next_page_token) == (["lead-0"], "")
    request.campaign_id = "c-1"
    with pytest.raises(Failure) as raised:
        await gate.intents.ListIntents(request)
    assert raised.value.reason == "INVALID_PAGE_TOKEN"
    by_reference = await gate.intents.ListIntents(gate_pb2.ListIntentsRequest(reference="lead-3"))
    assert len(by_reference.intents) == 1
