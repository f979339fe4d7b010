"""What is stored comes back; what is sealed opens only with its key; the words of domain and wire cover each other."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from tests.unit.gate.cases import MOMENT, NOW, any_case, facts, instance, intent

from gate.application.batch_ids import batch_ids
from gate.application.messages import Message, Recorded, Verdict
from gate.domain.decide import decide
from gate.domain.facts import Facts, Intent
from gate.domain.policy import DEFAULT_POLICY, FailureThreshold, Pace, Policy
from gate.domain.quiet_hours import QuietHours, Window
from gate.domain.reputation import SignalKind
from gate.domain.schedule import Schedule, hour_of
from gate.domain.words import CancelOutcome, Category, Effect, IntentState, Outcome
from gate.grpc_api.policy_translation import policy_from_proto, policy_to_proto
from gate.grpc_api.signals import KIND_FROM_PROTO
from gate.grpc_api.translation import STATE_FROM_PROTO
from gate.infrastructure import decision_format, policy_format, wire
from gate.infrastructure.sealing import Vault
from kernel.ids import moment_of, uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2, signal_pb2


@settings(max_examples=150, deadline=None)
@given(any_case())
def test_a_decision_comes_back_as_it_was(case: tuple[Intent, Facts]) -> None:
    decision = decide(*case, NOW)
    recorded = Recorded(number=3, decided_by="tester", decision=decision)
    again = decision_format.decode(
        number=3,
        outcome=decision.outcome,
        reason=decision.reason or "",
        decided_at=decision.decided_at,
        instance_id=decision.instance_id,
        document=decision_format.encode(recorded),
        with_rules=True,
    )
    assert again.decided_by == "tester"
    for name in ("rules", "earliest_time", "approved_until", "binding_limiter", "tightest_limit", "control_version"):
        assert getattr(again.decision, name) == getattr(decision, name)


def approved(**values: Any) -> Verdict:
    """Return the verdict on one message of a batch; give `recorded` to share it."""
    message = Message(
        organization_id="acme",
        intent_id=uuid7(),
        request_id="r-1",
        campaign_id="c",
        asked_instance_id="inst-1",
        category=Category.UTILITY,
        utc_offset=-3,
        reference="lead-1",
        hold_if_paused=False,
        expire_time=NOW + timedelta(days=1),
        number_hash=b"n",
        recipient_id=uuid7(),
        content_digest=b"",
        content_hash=b"",
        sealed=b"x",
        traceparent="",
        submitted_at=NOW,
    )
    recorded = Recorded(number=1, decided_by="crm", decision=decide(intent(), facts(instance()), NOW))
    given = {name: value for name, value in values.items() if name != "recorded"}
    return Verdict(message=replace(message, **given), sequence=1, recorded=values.get("recorded", recorded))


def test_the_event_tells_how_much_of_the_binding_limit_was_used() -> None:
    full = instance(schedule=Schedule(hours={hour_of(MOMENT): 3}))
    decision = decide(intent(), facts(full, policy=Policy(hourly_cap=3)), NOW)
    detail = wire.decision_event(approved(recorded=Recorded(number=1, decided_by="crm", decision=decision))).decision
    assert (detail.binding_limiter, detail.binding_used, detail.binding_max) == ("instance_hourly_cap", 3, 3)


def batch_of_verdicts() -> list[Verdict]:
    """Return verdicts that share a decision and differ in everything else that is told of them."""
    shared = approved().recorded
    given: list[dict[str, Any]] = [
        {},
        {"request_id": "r-2", "reference": ""},
        {"organization_id": "zen"},
        {"campaign_id": "d"},
        {"category": Category.MARKETING},
        {"expire_time": NOW + timedelta(hours=1)},
        {"submitted_at": NOW - timedelta(hours=1)},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
        {"recorded": replace(shared, decided_by="shop", number=2)},
        {},
    ]
    verdicts = [approved(**{"recorded": shared, **values}) for values in given]
    return [*verdicts, replace(verdicts[0], sequence=2)]


def test_each_of_a_batch_has_its_own_event() -> None:
    verdicts = batch_of_verdicts()
    payload = b"".join(wire.decision_events(verdicts))
    told = [event_pb2.OperationalEvent.FromString(e) for e in event_pb2.RecordEventsRequest.FromString(payload).events]
    assert len({event.event_id for event in told}) == len(verdicts)
    for event, verdict in zip(told, verdicts, strict=True):
        alone = wire.decision_event(verdict)
        alone.event_id = event.event_id
        assert event == alone


def test_each_of_a_batch_has_its_own_job_with_its_own_content() -> None:
    verdicts = batch_of_verdicts()
    policy = Policy(retry_unknown=frozenset({Category.MARKETING}))

    def content_of(message: Message) -> bytes:
        return executor_pb2.ApprovedIntent(recipient=message.request_id).SerializeToString()

    def jobs(of: list[Verdict]) -> list[executor_pb2.ApprovedIntent]:
        payload = b"".join(wire.approved_jobs(of, content_of=content_of, policy_of=lambda message: policy))
        return list(executor_pb2.AcceptJobsRequest.FromString(payload).jobs)

    together = jobs(verdicts)
    assert together == [job for verdict in verdicts for job in jobs([verdict])]
    assert [job.recipient for job in together] == [verdict.message.request_id for verdict in verdicts]
    assert [job.retry_unknown for job in together] == [v.message.category is Category.MARKETING for v in verdicts]


POLICIES = [
    DEFAULT_POLICY,
    Policy(),
    Policy(
        pace=Pace(gap=1, jitter=2, burst=3),
        hourly_cap=0,
        daily_cap=7,
        approval_ttl=timedelta(seconds=10),
        duplicate_window=timedelta(0),
        failure_threshold=FailureThreshold(share=0.5, minimum_sends=1, minimum_failures=2),
        cooldown_steps=(timedelta(seconds=1),),
        retry_unknown=frozenset({Category.MARKETING, Category.SERVICE}),
        quiet_hours=QuietHours(
            weekdays=Window(start=0, end=1440),
            saturdays=None,
            sundays=Window(start=601, end=602),
            categories=frozenset({Category.UTILITY}),
            holidays=frozenset({date(2027, 2, 9), date(2027, 2, 8)}),
        ),
    ),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_comes_back_as_it_was(policy: Policy) -> None:
    assert policy_format.decode(policy_format.encode(policy)) == policy
    assert policy_from_proto(policy_to_proto(policy)) == policy


def test_what_is_sealed_opens_only_with_its_key_and_for_its_organization() -> None:
    vault, other = Vault(b"a" * 32), Vault(b"b" * 32)
    sealed = vault.seal("demo", b"+5511987654321")
    assert vault.unseal("demo", sealed) == b"+5511987654321"
    assert b"987654321" not in sealed
    for opener, organization in ((other, "demo"), (vault, "acme")):
        with pytest.raises(InvalidTag):
            opener.unseal(organization, sealed)
    assert vault.hash_number("demo", "1") != vault.hash_number("acme", "1")
    assert vault.hash_number("demo", "1") != other.hash_number("demo", "1")
    assert vault.hash_content(b"ab", b"c") != vault.hash_content(b"a", b"bc")


def test_ids_of_a_batch_ascend_and_carry_its_time() -> None:
    ids = list(batch_ids(NOW, 5000))
    assert all(first < second for first, second in pairwise(ids))
    assert abs(moment_of(ids[0]) - NOW) < timedelta(milliseconds=1)
    assert {identifier.version for identifier in ids} == {7}


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 70_000])
def test_joined_items_are_the_repeated_field_of_their_request(size: int) -> None:
    event = event_pb2.OperationalEvent(reason="x" * size)
    ((payload, count),) = wire.joined([wire.as_event(event)] * 2, most_bytes=1_000_000, most_items=10)
    request = event_pb2.RecordEventsRequest.FromString(payload)
    assert (list(request.events), count) == ([event.SerializeToString()] * 2, 2)


def test_parcels_are_bounded() -> None:
    parts = list(wire.joined([b"x" * 40] * 10, most_bytes=100, most_items=10))
    assert [count for _, count in parts] == [2] * 5


@pytest.mark.parametrize(
    ("words", "enum", "prefix"),
    [
        (Category, intent_pb2.Category, "CATEGORY_"),
        (Outcome, intent_pb2.Outcome, "OUTCOME_"),
        (IntentState, intent_pb2.IntentState, "INTENT_STATE_"),
        (Effect, intent_pb2.Effect, "EFFECT_"),
        (CancelOutcome, intent_pb2.CancelOutcome, "CANCEL_OUTCOME_"),
        (SignalKind, signal_pb2.SignalKind, "SIGNAL_KIND_"),
    ],
)
def test_words_and_wire_cover_each_other(words: type[Category], enum: type[intent_pb2.Category], prefix: str) -> None:
    assert {f"{prefix}{word}" for word in words} == set(enum.keys()) - {f"{prefix}UNSPECIFIED"}
    assert set(STATE_FROM_PROTO.values()) == set(IntentState)
    assert set(KIND_FROM_PROTO.values()) == set(SignalKind)
