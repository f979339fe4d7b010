"""Domain words and the contract's enums cover each other."""

import pytest

from executor.domain.words import AttemptOutcome, CancelOutcome, FactType, JobState, Resolution, SignalKind
from executor.infrastructure import wire
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2, signal_pb2


@pytest.mark.parametrize(
    ("words", "enum", "prefix", "only_there"),
    [
        (JobState, executor_pb2.JobState, "JOB_STATE_", set()),
        (AttemptOutcome, executor_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_", set()),
        (Resolution, executor_pb2.Resolution, "RESOLUTION_", set()),
        (CancelOutcome, intent_pb2.CancelOutcome, "CANCEL_OUTCOME_", {"NOT_FOUND"}),
        (SignalKind, signal_pb2.SignalKind, "SIGNAL_KIND_", {"DISCONNECTED", "CONNECTED"}),
    ],
)
def test_words_and_enums_cover_each_other(words, enum, prefix, only_there) -> None:  # type: ignore[no-untyped-def]
    there = {name.removeprefix(prefix) for name in enum.keys()} - {"UNSPECIFIED"}  # noqa: SIM118
    assert {word.value for word in words} == there - only_there


def test_every_fact_is_an_event_of_the_contract() -> None:
    assert {f"EVENT_TYPE_{fact.value}" for fact in FactType} <= set(event_pb2.EventType.keys())


def test_states_and_resolutions_have_one_number_each() -> None:
    assert len(set(wire.STATES.values())) == len(JobState)
    assert set(wire.RESOLUTIONS.values()) == set(Resolution)
