"""What is missing or contradicts is told by intent; what agrees is not."""

import pytest

from console.conservation import compare
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2

APPROVED, QUEUED = intent_pb2.INTENT_STATE_APPROVED, intent_pb2.INTENT_STATE_QUEUED
BLOCKED = intent_pb2.INTENT_STATE_BLOCKED
SENT, READY = executor_pb2.JOB_STATE_SENT, executor_pb2.JOB_STATE_READY


def events(*life: tuple[int, str]) -> list[event_pb2.TalliedEvent]:
    return [
        event_pb2.TalliedEvent(sequence=sequence, type=event_pb2.EventType.Value(f"EVENT_TYPE_MESSAGE_{name}"))
        for sequence, name in life
    ]


@pytest.mark.parametrize(
    ("intent", "job", "life", "problems"),
    [
        pytest.param(QUEUED, None, [(1, "QUEUED")], [], id="waits"),
        pytest.param(APPROVED, READY, [(1, "QUEUED"), (2, "APPROVED")], [], id="handed-over"),
        pytest.param(APPROVED, SENT, [(1, "APPROVED"), (2, "SEND_STARTED"), (3, "SENT")], [], id="sent"),
        pytest.param(QUEUED, None, [], ["the gate says QUEUED and audit has no such event"], id="no-event-at-all"),
        pytest.param(BLOCKED, None, [(1, "BLOCKED"), (0, "ERASED"), (0, "ERASED")], [], id="erased-twice"),
        pytest.param(
            APPROVED, SENT, [(1, "APPROVED"), (3, "SENT")], ["no event of sequence 2"], id="one-in-the-middle-is-gone"
        ),
        pytest.param(
            APPROVED,
            SENT,
            [(1, "APPROVED"), (2, "SEND_STARTED")],
            ["the job is SENT and audit has no event SENT"],
            id="the-last-one-is-gone",
        ),
        pytest.param(
            APPROVED, None, [(1, "APPROVED")], ["the gate approved it and the executor has no job"], id="no-job"
        ),
        pytest.param(
            None, READY, [(1, "APPROVED")], ["the executor has a job and the gate no intent"], id="a-job-from-nowhere"
        ),
        pytest.param(
            APPROVED,
            SENT,
            [(1, "APPROVED"), (2, "SENT"), (2, "SENT")],
            ["two events claim sequence 2"],
            id="two-truths",
        ),
    ],
)
def test_what_does_not_agree_is_told(
    intent: "intent_pb2.IntentState.ValueType | None",
    job: "executor_pb2.JobState.ValueType | None",
    life: list[tuple[int, str]],
    problems: list[str],
) -> None:
    assert [problem.what for problem in compare("i", intent, job, events(*life))] == problems
