"""Random events, and numbers counted from raw events in the plainest way there is."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tests.stores.audit.facts import message, stamp

from audit.domain.durations import Durations
from audit.domain.event import EventType
from audit.domain.metrics import VOLUME_TYPES, Numbers
from chassis.database import Database, Query
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2

RAW = Query.of("raw", "SELECT body, recorded_at FROM operational_event WHERE organization_id = 'acme'")
INSTANCES = ["inst-sp-1", "inst-sp-2", "inst-rj-1"]
LIMITS = ["HOURLY_CAP", "DAILY_CAP", "PACE"]


def random_event(chance: random.Random, at: datetime) -> bytes:
    """Make an event of any kind that is counted."""
    kind = chance.choice([*VOLUME_TYPES, EventType.INSTANCE_COOLDOWN_STARTED, EventType.MESSAGE_SEND_STARTED])
    fields: dict[str, Any] = {
        "at": at,
        "instance_id": chance.choice(INSTANCES),
        "campaign_id": chance.choice(["black-friday", "welcome"]),
        "organization_id": chance.choice(["acme", "acme", "acme", "other"]),
    }
    if kind in {EventType.MESSAGE_BLOCKED, EventType.MESSAGE_QUEUED, EventType.MESSAGE_FAILED}:
        fields["reason"] = chance.choice(["OPTED_OUT", "PACE", "RECIPIENT_NEVER"])
    if kind in {EventType.MESSAGE_APPROVED, EventType.MESSAGE_QUEUED, EventType.MESSAGE_BLOCKED}:
        fields["decision"] = event_pb2.DecisionDetail(
            tightest_limit=chance.choice(["", *LIMITS]),
            tightest_used=chance.randrange(100),
            tightest_max=chance.choice([0, 50, 100]),
        )
    if kind is EventType.MESSAGE_SENT:
        ago = timedelta(milliseconds=chance.randrange(-100, 90_000))
        fields["attempt"] = event_pb2.AttemptDetail(
            approved_at=stamp(at - ago) if chance.random() < 0.9 else None,
            submitted_at=stamp(at - 2 * ago) if chance.random() < 0.9 else None,
        )
    return message(kind.value, aggregate_id=str(uuid7()), producer="executor", **fields).SerializeToString()


async def raw_events(database: Database) -> list[tuple[event_pb2.OperationalEvent, datetime]]:
    """Read every event of the organization with the time it counts at: never after it was recorded."""
    async with database.snapshot() as tx:
        rows = await tx.fetch(RAW)
    events = [(event_pb2.OperationalEvent.FromString(row.body), row.recorded_at) for row in rows]
    return [(event, min(event.occurred_at.ToDatetime(tzinfo=UTC), recorded)) for event, recorded in events]


def times_since(field: str, events: Sequence[tuple[event_pb2.OperationalEvent, datetime]]) -> list[int]:
    """Return the microseconds that every MessageSent took since approval or submission, sorted."""
    spans = [
        at - getattr(event.attempt, field).ToDatetime(tzinfo=UTC)
        for event, at in events
        if event.type == event_pb2.EVENT_TYPE_MESSAGE_SENT and event.attempt.HasField(field)
    ]
    return sorted(max(0, span // timedelta(microseconds=1)) for span in spans)


def check_percentiles(durations: Durations, exact: Sequence[int]) -> None:
    """See that each percentile is within 2 % of the one of the sorted times themselves."""
    for share in (0.5, 0.95, 0.99):
        expected = timedelta(microseconds=exact[math.ceil(share * len(exact)) - 1])
        assert abs(durations.quantile(share) - expected) <= 0.02 * expected + timedelta(microseconds=1)


def recount(events: Sequence[tuple[event_pb2.OperationalEvent, datetime]]) -> Numbers:
    """Count raw events in the plainest way there is."""
    of_type: dict[str, list[tuple[event_pb2.OperationalEvent, datetime]]] = {kind.value: [] for kind in EventType}
    for event, at in events:
        of_type[event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_")].append((event, at))

    def by_reason(kind: EventType) -> tuple[tuple[str, int], ...]:
        reasons = sorted(event.reason for event, _ in of_type[kind])
        counted = [(reason, len(list(group))) for reason, group in groupby(reasons)]
        return tuple(sorted(counted, key=lambda item: -item[1]))

    def time_since(field: str) -> Durations:
        durations = Durations()
        for took in times_since(field, events):
            durations.add(took)
        return durations

    return Numbers(
        volume={kind: len(of_type[kind]) for kind in VOLUME_TYPES},
        blocked_by_reason=by_reason(EventType.MESSAGE_BLOCKED),
        queued_by_reason=by_reason(EventType.MESSAGE_QUEUED),
        failed_by_reason=by_reason(EventType.MESSAGE_FAILED),
        from_approval=time_since("approved_at"),
        from_submission=time_since("submitted_at"),
        cooldowns_triggered=len(of_type[EventType.INSTANCE_COOLDOWN_STARTED]),
    )


def highest(events: Sequence[tuple[event_pb2.OperationalEvent, datetime]]) -> tuple[float, float, str]:
    """Return the highest reading of any limit as (ratio, used, name)."""
    readings = [
        (
            event.decision.tightest_used / event.decision.tightest_max if event.decision.tightest_max else 1.0,
            event.decision.tightest_used,
            event.decision.tightest_limit,
        )
        for event, _ in events
        if event.decision.tightest_limit
    ]
    return max(readings, default=(0.0, 0.0, ""))
