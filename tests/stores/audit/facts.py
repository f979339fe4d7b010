"""Serialised events as the producers make them, and a log to put them in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from audit.application.record_events import Kept, keep_together, record_events
from audit.domain.arrival import Arrival, Sorted
from audit.infrastructure.parsing import parse
from audit.infrastructure.postgres_log import PostgresEventLog
from chassis.database import Database
from kernel.ids import uuid7, uuid7_at
from whatlead.audit.v1 import event_pb2

NOW = datetime.now(UTC).replace(microsecond=0)


class StillClock:
    """A clock that stands, and that a test may set."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def boottime(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def stamp(moment: datetime) -> Timestamp:
    """Write a time."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def message(type_: str, **fields: Any) -> event_pb2.OperationalEvent:
    """Make an event of an intent, recorded by whoever records such events."""
    producer = "executor"
    by_the_gate = {"MESSAGE_APPROVED", "MESSAGE_QUEUED", "MESSAGE_BLOCKED", "MESSAGE_ERASED"}
    if type_ in by_the_gate or type_.startswith("INSTANCE_"):
        producer = "gate"
    elif type_.startswith("EXECUTION_"):
        producer = "control"
    at = fields.pop("at", NOW)
    standard = {
        "event_id": str(uuid7_at(at)),
        "organization_id": "acme",
        "aggregate_type": event_pb2.AGGREGATE_TYPE_INTENT,
        "aggregate_id": str(uuid7()),
        "sequence": 1,
        "producer": producer,
        "instance_id": "inst-sp-1",
        "campaign_id": "black-friday",
        "actor": "system",
    }
    times = {name: stamp(value) if isinstance(value, datetime) else value for name, value in fields.items()}
    return event_pb2.OperationalEvent(
        type=event_pb2.EventType.Value(f"EVENT_TYPE_{type_}"), occurred_at=stamp(at), **(standard | times)
    )


def about(intent_id: str, sequence: int, type_: str, **fields: Any) -> bytes:
    """Make one event of that intent's life."""
    return message(type_, aggregate_id=intent_id, sequence=sequence, **fields).SerializeToString()


def paused(control_id: str, type_: str, scope: str, target: str, *, at: datetime, **fields: Any) -> bytes:
    """Make one event of a pause."""
    note = fields.pop("note", "")
    organization_id = fields.pop("organization_id", "" if scope == "PLATFORM" else "acme")
    detail = event_pb2.PauseDetail(
        scope=scope,
        target=target,
        note=note,
        plan=fields.pop("plan", ""),
        paused_at=stamp(fields.pop("paused_at", at)),
        paused_until=stamp(fields["paused_until"]) if "paused_until" in fields else None,
    )
    fields.pop("paused_until", None)
    return message(
        type_,
        at=at,
        organization_id=organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_CONTROL,
        aggregate_id=control_id,
        sequence=0,
        instance_id=target if scope == "INSTANCE" else "",
        campaign_id=target if scope == "CAMPAIGN" else "",
        pause=detail,
        **fields,
    ).SerializeToString()


async def record(
    database: Database,
    *items: bytes,
    peer: str = "",
    at: datetime = NOW,
    heard: list[Arrival] | None = None,
    log: PostgresEventLog | None = None,
) -> Kept:
    """Record events as their producer would; by default each producer's in a call of its own, of a new process."""
    log = log or PostgresEventLog(database)

    def announce(arrivals: Sequence[Arrival]) -> None:
        if heard is not None:
            heard.extend(arrivals)

    async def keep(batch: Sorted) -> Kept:
        (kept,) = await keep_together([batch], log=log, announce=announce)
        return kept

    async def call(peer: str, items: Sequence[bytes]) -> Kept:
        return await record_events(items, peer=peer, parse=parse, keep=keep, clock=StillClock(at))

    if peer:
        return await call(peer, items)
    calls: dict[str, list[bytes]] = {}
    for item in items:
        calls.setdefault(event_pb2.OperationalEvent.FromString(item).producer, []).append(item)
    kept = [await call(producer, part) for producer, part in calls.items()]
    return Kept(
        new=tuple(one for part in kept for one in part.new),
        refused=tuple(one for part in kept for one in part.refused),
    )
