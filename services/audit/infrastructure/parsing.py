"""Read the bytes of one event as far as storing and counting need them. Knows no table and no reader.

This runs for every event, so it reads each field once and builds no more than the row.
"""

import re
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from audit.domain.arrival import Arrival, Measurement, Reading, Refused, ScopeMark
from audit.domain.event import AggregateType, EventType
from audit.domain.pauses import over_at
from whatlead.audit.v1 import event_pb2

TYPES = {event_pb2.EventType.Value(f"EVENT_TYPE_{one.value}"): one for one in EventType}
AGGREGATES = {event_pb2.AggregateType.Value(f"AGGREGATE_TYPE_{one.value}"): one for one in AggregateType}

LONGEST_WORD = 256
MOST_BYTES = 65_536
LAST_SEQUENCE = 2**31 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LAST_SECOND = 253_402_300_799
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LAST_UUID7 = "e677d21f-dbff-8"  # The year 9999 ends here.


class _Unusable(Exception):
    """Why an event cannot be stored."""

    def __init__(self, message: str, *, reason: str = "INVALID_FIELD") -> None:
        super().__init__(message)
        self.reason = reason


def moment_of(stamp: Timestamp) -> datetime:
    """Return the time to the microsecond. Raises `_Unusable` beyond the years 1970 to 9999."""
    return _EPOCH + timedelta(0, 0, _microseconds(stamp))


def _microseconds(stamp: Timestamp) -> int:
    """Return the time since 1970, which is reckoned with faster than a `datetime`."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (0 <= seconds <= LAST_SECOND and 0 <= nanos <= 999_999_999):
        raise _Unusable("a timestamp lies beyond the years 1970 to 9999")
    return seconds * 1_000_000 + nanos // 1000


def parse(position: int, body: bytes, *, peer: str, recorded_at: datetime) -> Arrival | Refused:
    """Read one item that `peer` sent; what cannot be stored comes back refused, with its bytes."""
    event_id = ""
    try:
        if len(body) > MOST_BYTES:
            raise _Unusable(f"an event has at most {MOST_BYTES} bytes")
        event = event_pb2.OperationalEvent.FromString(body)
        said = event.event_id.lower()
        if not _UUID7.fullmatch(said):
            raise _Unusable("event_id: a UUIDv7 is needed")
        event_id = said
        if event.producer != peer:
            raise _Unusable(f"producer: {peer} records its own events only", reason="ROLE_NOT_ALLOWED")
        return _arrival(event, event_id, body, recorded_at)
    except DecodeError:
        reason, message = "INVALID_FIELD", "the bytes are not an OperationalEvent"
    except _Unusable as why:
        reason, message = why.reason, str(why)
    return Refused(
        position=position,
        event_id=event_id,
        reason=reason,
        message=message,
        body=body,
        peer=peer,
        recorded_at=recorded_at,
    )


def _arrival(event: event_pb2.OperationalEvent, event_id: str, body: bytes, recorded_at: datetime) -> Arrival:
    type_ = TYPES.get(event.type)
    aggregate = AGGREGATES.get(event.aggregate_type)
    if type_ is None:
        raise _Unusable("type: it is unspecified or not known here")
    if aggregate is None:
        raise _Unusable("aggregate_type: it is unspecified or not known here")
    if not event.HasField("occurred_at"):
        raise _Unusable("occurred_at: it is needed")
    organization_id, aggregate_id = event.organization_id, event.aggregate_id
    instance_id, campaign_id = event.instance_id, event.campaign_id
    reason, trace_id, actor = event.reason, event.trace_id, event.actor
    words = (organization_id, aggregate_id, instance_id, campaign_id, reason, trace_id, actor)
    together = "".join(words)
    if "\0" in together or (len(together) > LONGEST_WORD and len(max(words, key=len)) > LONGEST_WORD):
        raise _Unusable(f"a word is longer than {LONGEST_WORD} characters or holds a zero byte")
    if aggregate is AggregateType.INTENT:
        aggregate_id = aggregate_id.lower()
        if not _UUID7.fullmatch(aggregate_id) or aggregate_id > _LAST_UUID7:
            raise _Unusable("aggregate_id: an intent's id is a UUIDv7")
        if not organization_id:
            raise _Unusable("organization_id: an intent belongs to one")
    sequence = event.sequence
    if sequence > LAST_SEQUENCE:
        raise _Unusable(f"sequence: at most {LAST_SEQUENCE}")
    occurred_at = moment_of(event.occurred_at)
    clamped = occurred_at > recorded_at
    if clamped:
        occurred_at = recorded_at
    since_submission = since_approval = reading = scope = backlog = None
    match event.WhichOneof("detail"):
        case "attempt" if type_ is EventType.MESSAGE_SENT:
            attempt = event.attempt
            sent = (occurred_at - _EPOCH) // _MICROSECOND
            if attempt.HasField("submitted_at"):
                since_submission = max(0, sent - _microseconds(attempt.submitted_at))
            if attempt.HasField("approved_at"):
                since_approval = max(0, sent - _microseconds(attempt.approved_at))
        case "decision":
            reading = _reading(event.decision)
        case "pause":
            scope = _pause_mark(event, type_, occurred_at)
        case "cooldown":
            scope = _cooldown_mark(event, type_, occurred_at)
        case "backlog" if type_ is EventType.BACKLOG_MEASURED:
            backlog = _measurement(event.backlog)
        case _:
            pass
    return Arrival(
        event_id,
        organization_id,
        aggregate,
        aggregate_id,
        sequence,
        type_,
        instance_id,
        campaign_id,
        reason,
        occurred_at,
        recorded_at,
        clamped,
        event.producer,
        trace_id,
        actor,
        body,
        since_submission,
        since_approval,
        reading,
        scope,
        backlog,
    )


def _reading(decision: event_pb2.DecisionDetail) -> Reading | None:
    limit = decision.tightest_limit
    if not limit:
        return None
    used, most = decision.tightest_used, decision.tightest_max
    if "\0" in limit or len(limit) > LONGEST_WORD:
        raise _Unusable("decision.tightest_limit: it is too long or holds a zero byte")
    if not (0 <= used < float("inf") and 0 <= most < float("inf")):
        raise _Unusable("decision: tightest_used and tightest_max are not negative and finite")
    return Reading(limit, used, most)


def _pause_mark(event: event_pb2.OperationalEvent, type_: EventType, at: datetime) -> ScopeMark | None:
    pause = event.pause
    if not pause.scope:
        return None
    if "\0" in pause.scope + pause.target or len(pause.scope) + len(pause.target) > LONGEST_WORD:
        raise _Unusable("pause: scope or target is too long or holds a zero byte")
    target = pause.target if pause.scope in {"CAMPAIGN", "INSTANCE"} else ""
    began = moment_of(pause.paused_at) if pause.HasField("paused_at") else at
    ended = over_at(type_, pause.plan, at)
    return ScopeMark(event.aggregate_id, pause.scope, target, min(began, at), ended)


def _cooldown_mark(event: event_pb2.OperationalEvent, type_: EventType, at: datetime) -> ScopeMark:
    cooldown = event.cooldown
    instance_id = event.instance_id or event.aggregate_id
    began = moment_of(cooldown.start_time) if cooldown.HasField("start_time") else at
    ended = at if type_ is EventType.INSTANCE_COOLDOWN_ENDED else None
    scope_id = f"cooldown/{instance_id}/{began.isoformat()}"
    return ScopeMark(scope_id, "INSTANCE", instance_id, min(began, at), ended)


def _measurement(backlog: event_pb2.BacklogDetail) -> Measurement:
    if backlog.waiting >= 2**63:
        raise _Unusable("backlog.waiting: it is beyond any count")
    return Measurement(backlog.waiting, moment_of(backlog.oldest) if backlog.HasField("oldest") else None)
