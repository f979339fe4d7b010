"""Instances and the ends of their cooldowns, as owners, members and strangers call for them."""

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from tests.api.gate.conftest import Gate

from chassis.database import Query
from kernel.errors import Failure, Kind
from whatlead.gate.v1 import instance_pb2 as pb
from whatlead.gate.v1 import instance_pb2_grpc, policy_pb2, policy_pb2_grpc, signal_pb2


def create(request_id: str = "c", **values: Any) -> pb.CreateInstanceRequest:
    given = {"instance_id": "inst-1", "provider": "whatsapp_cloud", "provider_account": "1", **values}
    return pb.CreateInstanceRequest(request_id=request_id, instance=pb.Instance(**given))


def update(request_id: str, *paths: str, **values: Any) -> pb.UpdateInstanceRequest:
    return pb.UpdateInstanceRequest(
        request_id=request_id,
        instance=pb.Instance(**{"instance_id": "inst-1", **values}),
        update_mask=FieldMask(paths=paths),
    )


def end(request_id: str = "e", **values: Any) -> pb.EndCooldownRequest:
    return pb.EndCooldownRequest(
        **{"request_id": request_id, "instance_id": "inst-1", "reason": "cleared with the provider", **values}
    )


async def spam(gate: Gate, signal_id: str) -> None:
    moment = Timestamp()
    moment.GetCurrentTime()
    signal = signal_pb2.Signal(
        signal_id=signal_id, instance_id="inst-1", kind=signal_pb2.SIGNAL_KIND_SPAM_LIMIT, occurred_at=moment
    )
    assert not (await gate.signals.ReportSignals(signal_pb2.ReportSignalsRequest(signals=[signal]))).refusals


async def test_a_repeated_request_gets_the_same_answer_and_other_content_is_refused(gate: Gate) -> None:
    created = await asyncio.gather(*(gate.instances.CreateInstance(create()) for _ in range(5)))
    assert len({answer.SerializeToString(deterministic=True) for answer in created}) == 1
    renamed = update("u", "display_name", display_name="Main")
    first = await gate.instances.UpdateInstance(renamed)
    await gate.instances.UpdateInstance(update("u-2", "display_name", display_name="Other"))
    assert await gate.instances.UpdateInstance(renamed) == first
    await spam(gate, "s-1")
    ended = await gate.instances.EndCooldown(end())
    await spam(gate, "s-2")
    assert await gate.instances.EndCooldown(end()) == ended
    found = (await gate.instances.GetInstance(pb.GetInstanceRequest(instance_id="inst-1"))).instance
    assert (found.display_name, found.cooldown.level) == ("Other", 2)
    for call, request in (
        (gate.instances.CreateInstance, create(display_name="x")),
        (gate.instances.UpdateInstance, update("u", "display_name", display_name="x")),
        (gate.instances.EndCooldown, end(reason="x")),
    ):
        with pytest.raises(Failure) as raised:
            await call(request)
        assert (raised.value.kind, raised.value.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_of_updates_that_read_the_same_etag_one_holds(gate: Gate) -> None:
    etag = (await gate.instances.CreateInstance(create())).instance.etag
    answers = await asyncio.gather(
        *(
            gate.instances.UpdateInstance(update(f"u-{n}", "display_name", display_name=f"n-{n}", etag=etag))
            for n in range(5)
        ),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, Failure)]
    assert [(failure.kind, failure.reason) for failure in refused] == [(Kind.ABORTED, "ETAG_MISMATCH")] * 4


async def test_only_what_the_mask_names_is_changed(gate: Gate) -> None:
    await gate.instances.CreateInstance(create(display_name="Main"))
    values = {"display_name": "", "provider_account": "2", "connection": pb.CONNECTION_DISCONNECTED}
    changed = (await gate.instances.UpdateInstance(update("u", "provider_account", **values))).instance
    assert (changed.display_name, changed.provider_account) == ("Main", "2")
    assert changed.connection == pb.CONNECTION_CONNECTED
    changed = (await gate.instances.UpdateInstance(update("u-2", "display_name", **values))).instance
    assert changed.display_name == ""
    lanes = await gate.until(lambda: [lane for lane in gate.executor.lanes if lane.provider_account == "2"])
    assert max(lane.version for lane in gate.executor.lanes) in {lane.version for lane in lanes}


async def test_the_end_of_a_cooldown_keeps_who_ended_it_and_why(gate: Gate) -> None:
    await gate.instances.CreateInstance(create())
    with pytest.raises(Failure) as raised:
        await gate.instances.EndCooldown(end("e-0"))
    assert (raised.value.kind, raised.value.reason) == (Kind.FAILED_PRECONDITION, "WRONG_STATE")
    await spam(gate, "s")
    await gate.instances.EndCooldown(end())
    started, ended = await gate.until(lambda: len(gate.audit.about("inst-1")) == 2 and gate.audit.about("inst-1"))
    assert (started.actor, ended.actor) == ("system", "tester")
    assert started.cooldown.start_time == ended.cooldown.start_time
    async with gate.database.autocommit() as tx:
        row = await tx.fetch_one(Query.of("test", "SELECT ended_by, end_reason FROM cooldown"))
    assert row is not None
    assert tuple(row) == ("tester", "cleared with the provider")


async def test_another_organizations_instance_is_not_found_and_cannot_be_told_from_none(gate: Gate) -> None:
    await gate.instances.CreateInstance(create())
    stranger = instance_pb2_grpc.InstanceServiceStub(gate.server.public_channel(organization_id="other"))
    texts = set()
    for instance_id in ("inst-1", "inst-2"):
        for call, request in (
            (stranger.GetInstance, pb.GetInstanceRequest(instance_id=instance_id)),
            (stranger.UpdateInstance, update("u", "display_name", instance_id=instance_id)),
            (stranger.EndCooldown, end(f"e-{instance_id}", instance_id=instance_id)),
        ):
            with pytest.raises(Failure) as raised:
                await call(request)  # type: ignore[operator]
            assert raised.value.kind is Kind.NOT_FOUND
            texts.add(raised.value.message)
    assert len(texts) == 1
    assert not (await stranger.ListInstances(pb.ListInstancesRequest())).instances
    assert (await stranger.CreateInstance(create())).instance.instance_id == "inst-1"


async def test_a_member_reads_and_changes_nothing(gate: Gate) -> None:
    await gate.instances.CreateInstance(create())
    channel = gate.server.public_channel(role="member")
    instances = instance_pb2_grpc.InstanceServiceStub(channel)
    policies = policy_pb2_grpc.PolicyServiceStub(channel)
    await instances.GetInstance(pb.GetInstanceRequest(instance_id="inst-1"))
    await instances.ListInstances(pb.ListInstancesRequest())
    await policies.GetPolicy(policy_pb2.GetPolicyRequest())
    await policies.ListSuppressions(policy_pb2.ListSuppressionsRequest())
    changes: list[tuple[Any, Any]] = [
        (instances.CreateInstance, create("c-2", instance_id="inst-2")),
        (instances.UpdateInstance, update("u", "display_name")),
        (instances.EndCooldown, end()),
        (policies.UpdatePolicy, policy_pb2.UpdatePolicyRequest(request_id="p", policy=policy_pb2.Policy())),
        (policies.AddSuppressions, policy_pb2.AddSuppressionsRequest(request_id="s", recipients=["+5511987654321"])),
        (
            policies.RemoveSuppressions,
            policy_pb2.RemoveSuppressionsRequest(request_id="r", recipients=["+5511987654321"], reason="x"),
        ),
    ]
    for call, request in changes:
        with pytest.raises(Failure) as raised:
            await call(request)
        assert raised.value.kind is Kind.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (create(instance_id=""), ["instance.instance_id"]),
        (create(instance_id="inst-1\n"), ["instance.instance_id"]),
        (create(instance_id="a b"), ["instance.instance_id"]),
        (create(provider="carrier_pigeon"), ["instance.provider"]),
        (create(provider_account=""), ["instance.provider_account"]),
        (create(provider_account="1\n"), ["instance.provider_account"]),
        (create(display_name="x" * 129), ["instance.display_name"]),
        (create(display_name="\0"), ["instance.display_name"]),
        (create(request_id="\0"), ["request_id"]),
        (create(connection=7), ["instance.connection"]),
        (pb.CreateInstanceRequest(request_id="c"), ["instance"]),
        (update("u"), ["update_mask"]),
        (update("u", "provider"), ["update_mask"]),
        (update("u", "display_name", "cooldown.reason"), ["update_mask"]),
        (update("u", "connection"), ["instance.connection"]),
        (update("u", "provider_account"), ["instance.provider_account"]),
        (end(reason=""), ["reason"]),
        (end(instance_id="x" * 65), ["instance_id"]),
    ],
)
async def test_hostile_changes_are_refused_by_their_fields_and_write_nothing(
    gate: Gate, request_: Any, fields: list[str]
) -> None:
    call = getattr(gate.instances, type(request_).__name__.removesuffix("Request"))
    with pytest.raises(Failure) as raised:
        await call(request_)
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    assert sorted({violation.field for violation in raised.value.violations}) == fields
    async with gate.database.autocommit() as tx:
        assert not await tx.fetch(Query.of("test", "SELECT 1 FROM organization UNION ALL SELECT 1 FROM mutation"))


async def test_a_mask_of_ten_thousand_unknown_fields_is_answered_like_one(gate: Gate) -> None:
    await gate.instances.CreateInstance(create())
    with pytest.raises(Failure) as raised:
        await gate.instances.UpdateInstance(update("u", *(f"field_{n}" for n in range(10_000))))
    assert raised.value.kind is Kind.INVALID_ARGUMENT
