"""What changes tell audit: what events have in common is built once, and none is told another's own."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from tests.unit.executor.test_settling import NOW, job

from executor.domain.outcome import Retryable
from executor.domain.settling import RetryPolicy, Timing, settle
from executor.infrastructure.parcels import Telling
from whatlead.audit.v1 import event_pb2


def test_an_event_has_nothing_of_one_that_is_like_it() -> None:
    telling = Telling()
    later = NOW + timedelta(seconds=9)
    for number, began_at in ((7, NOW), (8, None)):
        change = settle(
            replace(job(), intent_id=UUID(int=number), traceparent=f"00-{number:032d}-{1:016d}-01"),
            Retryable(reason="RETRY_SOON"),
            timing=Timing(began_at=began_at, ended_at=NOW + timedelta(seconds=number)),
            policy=RetryPolicy(),
            chance=0.5,
        )
        telling.change(change, sequence=number, next_attempt_at=later if began_at else None)
    first, second = (event_pb2.OperationalEvent.FromString(event) for event in telling.events)

    assert first.event_id < second.event_id
    assert [first.aggregate_id, second.aggregate_id] == [str(UUID(int=7)), str(UUID(int=8))]
    assert [first.sequence, second.sequence] == [7, 8]
    assert [int(first.trace_id), int(second.trace_id)] == [7, 8]
    assert second.occurred_at.ToNanoseconds() - first.occurred_at.ToNanoseconds() == 1_000_000_000
    assert first.attempt.HasField("began_at")
    assert first.attempt.HasField("next_attempt_at")
    assert not second.attempt.HasField("began_at")
    assert not second.attempt.HasField("next_attempt_at")
    assert second.attempt.ended_at == second.occurred_at
    assert (second.reason, second.attempt.provider) == (first.reason, first.attempt.provider) == ("RETRY_SOON", "fake")


def test_what_differs_in_an_instance_or_an_attempt_is_told_for_each() -> None:
    telling = Telling()
    jobs = [job(), replace(job(), instance_id="other"), replace(job(), attempt=2), replace(job(), decision_number=2)]
    for sequence, each in enumerate(jobs):
        telling.started(each, taken_at=NOW, sequence=sequence)
    events = [event_pb2.OperationalEvent.FromString(event) for event in telling.events]
    told = [(event.instance_id, event.attempt.number, event.attempt.decision_number) for event in events]
    assert told == [("i", 1, 1), ("other", 1, 1), ("i", 2, 1), ("i", 1, 2)]
