"""What reading an event's bytes makes of the times they tell."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.domain.arrival import Arrival
from audit.infrastructure.parsing import parse
from kernel.ids import uuid7_at
from whatlead.audit.v1 import event_pb2

T = datetime(2026, 3, 2, 12, 0, 30, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("approved", "recorded", "taken_us"),
    [
        (T - timedelta(days=2, microseconds=7), T, 172_800_000_007),
        (T, T, 0),
        (T + timedelta(seconds=5), T, 0),  # the approver's clock is ahead
        (T - timedelta(seconds=9), T - timedelta(seconds=4), 5_000_000),  # the sender's is, and is clamped
    ],
)
def test_a_time_to_send_is_exact_and_never_negative(approved: datetime, recorded: datetime, taken_us: int) -> None:
    event = event_pb2.OperationalEvent(
        event_id=str(uuid7_at(T)),
        organization_id="acme",
        aggregate_type=event_pb2.AGGREGATE_TYPE_INTENT,
        aggregate_id=str(uuid7_at(T)),
        type=event_pb2.EVENT_TYPE_MESSAGE_SENT,
        producer="executor",
    )
    event.occurred_at.FromDatetime(T)
    event.attempt.approved_at.FromDatetime(approved)
    arrival = parse(0, event.SerializeToString(), peer="executor", recorded_at=recorded)
    assert isinstance(arrival, Arrival)
    assert (arrival.since_approval, arrival.since_submission) == (taken_us, None)
