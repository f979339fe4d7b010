"""Signals: once each, whoever reports them; bad ones alone are set aside; nothing reaches another organization."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.api.gate.conftest import Gate

from chassis.database import Query
from chassis.errors_grpc import from_status
from whatlead.gate.v1 import instance_pb2, intent_pb2, policy_pb2, signal_pb2, signal_pb2_grpc


def at(seconds: float = 0) -> Timestamp:
    """Return a moment relative to now."""
    moment = Timestamp()
    moment.GetCurrentTime()
    moment.FromNanoseconds(moment.ToNanoseconds() + int(seconds * 1e9))
    return moment


def signal(kind: str, signal_id: str, **values: Any) -> signal_pb2.Signal:
    given = {"instance_id": "inst-1", "occurred_at": at(), **values}
    return signal_pb2.Signal(signal_id=signal_id, kind=signal_pb2.SignalKind.Value(f"SIGNAL_KIND_{kind}"), **given)


async def report(gate: Gate, *signals: signal_pb2.Signal) -> signal_pb2.ReportSignalsResponse:
    return await gate.signals.ReportSignals(signal_pb2.ReportSignalsRequest(signals=signals))


async def report_as_executor(gate: Gate, *signals: signal_pb2.Signal) -> signal_pb2.ReportSignalsResponse:
    return await gate.signals_from_executor.ReportSignals(signal_pb2.ReportSignalsRequest(signals=signals))


async def rows(gate: Gate, statement: str) -> list[tuple[Any, ...]]:
    async with gate.database.autocommit() as tx:
        return [tuple(row) for row in await tx.fetch(Query.of("test", statement))]


async def instance(gate: Gate) -> instance_pb2.Instance:
    return (await gate.instances.GetInstance(instance_pb2.GetInstanceRequest(instance_id="inst-1"))).instance


COUNTS = "SELECT organization_id, kind, sum(count)::int FROM signal_count GROUP BY 1, 2 ORDER BY 1, 2"


async def test_a_signal_counts_once_however_often_and_by_whomever_it_is_repeated(gate: Gate) -> None:
    await gate.provision("inst-1")
    sent = signal("SENT", "a", count=7)
    await report(gate, sent, sent)
    await asyncio.gather(*(report(gate, sent, signal("FAILED", "b", count=2)) for _ in range(5)))
    sent.organization_id = "demo"
    await report_as_executor(gate, sent)
    assert await rows(gate, COUNTS) == [("demo", "FAILED", 2), ("demo", "SENT", 7)]


async def test_the_same_signal_id_in_two_organizations_is_two_signals(gate: Gate) -> None:
    await gate.provision("inst-1")
    reported = [signal("SENT", "a", organization_id=name) for name in ("demo", "other")]
    await report_as_executor(gate, *reported, *reversed(reported))
    assert await rows(gate, COUNTS) == [("demo", "SENT", 1), ("other", "SENT", 1)]


async def test_counts_are_kept_by_the_minute_in_which_they_occurred(gate: Gate) -> None:
    await gate.provision("inst-1")
    moments = [at(-3600), at(-3600), at()]
    await report(gate, *(signal("SENT", f"s-{n}", occurred_at=moment) for n, moment in enumerate(moments)))
    found = await rows(gate, "SELECT extract(second FROM minute)::int, count::int FROM signal_count ORDER BY minute")
    assert found == [(0, 2), (0, 1)]


async def test_a_member_may_report_and_the_source_is_recorded(gate: Gate) -> None:
    await gate.provision("inst-1")
    member = signal_pb2_grpc.SignalServiceStub(gate.server.public_channel(role="member", subject="crm"))
    await member.ReportSignals(signal_pb2.ReportSignalsRequest(signals=[signal("DELIVERED", "a")]))
    await report_as_executor(gate, signal("READ", "b", organization_id="demo"))
    found = await rows(gate, "SELECT signal_id, source FROM signal ORDER BY signal_id")
    assert found == [("a", "crm"), ("b", "provider")]


async def test_an_opt_out_suppresses_its_recipient_and_cancels_what_waits_for_them(gate: Gate) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    first = await gate.submit_one(recipient="+5511987654321")
    waiting = await gate.submit_one(recipient="+551187654321", campaign_id="other")
    assert waiting.decision.reason == "INSTANCE_CAP"
    await report_as_executor(
        gate, signal("OPTED_OUT", "o", intent_id=first.intent_id, instance_id="", organization_id="demo")
    )
    assert (await gate.get(waiting.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED
    assert (await gate.get(first.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED
    await gate.until(lambda: gate.audit.life(waiting.intent_id)[-1:] == [(2, "CANCELED", "OPTED_OUT")])
    listed = (await gate.policies.ListSuppressions(policy_pb2.ListSuppressionsRequest())).suppressions
    assert [one.created_by for one in listed] == ["provider"]


async def test_an_opt_out_heard_on_one_instance_frees_the_slot_of_what_waits_for_another(gate: Gate) -> None:
    await gate.provision("inst-1", "inst-2", policy=policy_pb2.Policy(hourly_cap=1))
    await gate.submit_one(instance_id="inst-2")
    waiting = await gate.submit_one(instance_id="inst-2", recipient="+5511987654321")
    assert waiting.decision.reason == "INSTANCE_CAP"
    await report(gate, signal("OPTED_OUT", "o", instance_id="inst-1", intent_id=waiting.intent_id))
    assert (await gate.get(waiting.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED
    following = await gate.submit_one(instance_id="inst-2")
    assert following.decision.earliest_time == waiting.decision.earliest_time


async def test_an_opt_out_stands_while_the_executor_is_away_and_is_taken_to_it_later(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient="+5511987654321")
    await gate.until(lambda: gate.executor.jobs)
    gate.executor.away = True
    assert not (await report(gate, signal("OPTED_OUT", "o", intent_id=submitted.intent_id))).refusals
    assert (await gate.submit_one(recipient="+551187654321", campaign_id="x")).decision.reason == "OPTED_OUT"
    gate.executor.away = False

    async def canceled() -> bool:
        return (await gate.get(submitted.intent_id)).state == intent_pb2.INTENT_STATE_CANCELED

    await gate.until(canceled)


async def test_nobody_acts_on_another_organizations_intents_or_instances(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient="+5511987654321")
    stranger = signal_pb2_grpc.SignalServiceStub(gate.server.public_channel(organization_id="other"))
    hostile = [
        signal("OPTED_OUT", "a", intent_id=submitted.intent_id),
        signal("FAILED", "b", intent_id=submitted.intent_id),
        signal("SPAM_LIMIT", "c"),
        signal("ACCOUNT_LOCKED", "d"),
        signal("DISCONNECTED", "e"),
    ]
    assert not (await stranger.ReportSignals(signal_pb2.ReportSignalsRequest(signals=hostile))).refusals
    assert (await gate.submit_one(recipient="+5511987654321")).decision.reason == "DUPLICATE_CONTENT"
    assert (await gate.submit_one(recipient="+5511987654321", campaign_id="x")).decision.reason == ""
    assert not gate.control.asked
    claims = signal("SPAM_LIMIT", "f", organization_id="demo")
    answer = await stranger.ReportSignals(signal_pb2.ReportSignalsRequest(signals=[claims]))
    assert [refusal.item_id for refusal in answer.refusals] == ["f"]
    assert not (await instance(gate)).HasField("cooldown")


async def test_connections_are_judged_by_when_they_were_not_by_when_they_are_told(gate: Gate) -> None:
    await gate.provision("inst-1")
    lost, back = at(1), at(2)
    await report(gate, signal("CONNECTED", "back", occurred_at=back), signal("DISCONNECTED", "lost", occurred_at=lost))
    assert (await instance(gate)).connection == instance_pb2.CONNECTION_CONNECTED
    await report(gate, signal("DISCONNECTED", "lost, told late", occurred_at=lost))
    assert (await instance(gate)).connection == instance_pb2.CONNECTION_CONNECTED
    await report(gate, signal("DISCONNECTED", "lost again", occurred_at=at(3)))
    assert (await instance(gate)).connection == instance_pb2.CONNECTION_DISCONNECTED
    assert (await gate.submit_one()).decision.reason == "INSTANCE_DISCONNECTED"
    await report(gate, signal("CONNECTED", "back again", occurred_at=at(4)))
    await gate.until(lambda: gate.executor.jobs, seconds=3)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"signal_id": ""}, "signal_id"),
        ({"signal_id": "x" * 129}, "signal_id"),
        ({"signal_id": "a\0b"}, "signal_id"),
        ({"instance_id": ""}, "instance_id"),
        ({"instance_id": "inst-1\n"}, "instance_id"),
        ({"instance_id": "x" * 65}, "instance_id"),
        ({"kind": 0}, "kind"),
        ({"kind": 4711}, "kind"),
        ({"count": 2**32 - 1}, "count"),
        ({"code": "x" * 65}, "code"),
        ({"code": "\0"}, "code"),
        ({"intent_id": "not a uuid"}, "intent_id"),
        ({"kind": signal_pb2.SIGNAL_KIND_OPTED_OUT}, "intent_id"),
        ({"organization_id": "other"}, "organization_id"),
        ({"occurred_at": None}, "occurred_at"),
        ({"occurred_at": at(86_400)}, "occurred_at"),
        ({"occurred_at": Timestamp(seconds=-(10**15))}, "occurred_at"),
        ({"occurred_at": Timestamp(nanos=-1)}, "occurred_at"),
    ],
)
async def test_a_hostile_signal_is_set_aside_alone_and_named(gate: Gate, values: dict[str, Any], field: str) -> None:
    bad = signal("SENT", "bad")
    for name, value in values.items():
        bad.ClearField(name)  # type: ignore[arg-type]
        if isinstance(value, Timestamp):
            getattr(bad, name).CopyFrom(value)
        elif value is not None:
            setattr(bad, name, value)
    answer = await report(gate, signal("SENT", "good-1"), bad, signal("SENT", "good-2", occurred_at=Timestamp()))
    (refusal,) = answer.refusals
    failure = from_status(refusal.status)
    assert f"signals[1].{field}" in [violation.field for violation in failure.violations]
    assert await rows(gate, "SELECT signal_id FROM signal ORDER BY 1") == [("good-1",), ("good-2",)]


async def test_five_thousand_signals_about_one_instance_are_one_quick_batch(gate: Gate) -> None:
    await gate.provision("inst-1")
    kinds = ("CONNECTED", "DISCONNECTED", "ACCOUNT_LOCKED", "SENT", "SPAM_LIMIT", "OPTED_OUT")
    hostile = [signal(kinds[n % 6], f"s-{n}", intent_id=str(uuid4())) for n in range(5_000)]
    async with asyncio.timeout(10):
        assert not (await report(gate, *hostile)).refusals
    await gate.until(lambda: len(gate.control.asked) == 1)
    await gate.until(lambda: len(gate.audit.about("inst-1")) == 1)
