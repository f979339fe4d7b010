"""Turn the wire's words into the domain's and back, one dict a direction. Decides nothing."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from audit.domain.answer import Standing
from audit.domain.event import (
    AggregateType,
    Attempt,
    Backlog,
    Cooldown,
    Decision,
    Delivery,
    Detail,
    Event,
    Hold,
    Note,
    Pause,
    Subject,
)
from audit.domain.phases import Phase, PhaseKind
from audit.domain.stop import Stop
from audit.domain.timeline import Entry, Recorded, Timeline
from audit.infrastructure.parsing import AGGREGATES, LAST_SECOND, TYPES
from kernel.errors import Violation, invalid
from whatlead.audit.v1 import event_pb2, timeline_pb2

TYPE_NUMBERS = {event_type: number for number, event_type in TYPES.items()}
STANDINGS = {one: timeline_pb2.Standing.Value(f"STANDING_{one.value}") for one in Standing}
PHASES = {one: timeline_pb2.PhaseKind.Value(f"PHASE_KIND_{one.value}") for one in PhaseKind}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    """Write a time."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def span(length: timedelta) -> Duration:
    """Write a length of time."""
    message = Duration()
    message.FromTimedelta(length)
    return message


def asked_moment(value: Timestamp, field: str) -> datetime:
    """Read a time that a caller asks for. Raises `Failure` INVALID_ARGUMENT beyond the years 1970 to 9999."""
    if not (0 <= value.seconds <= LAST_SECOND and 0 <= value.nanos <= 999_999_999):
        raise invalid(Violation(field=field, description="must lie in the years 1970 to 9999"))
    return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)


def no_zero_bytes(**fields: str) -> None:
    """Refuse what no stored word can hold. Raises `Failure` INVALID_ARGUMENT naming every such field."""
    bad = [
        Violation(field=name, description="must not hold a zero byte")
        for name, value in fields.items()
        if "\0" in value
    ]
    if bad:
        raise invalid(*bad)


def _moment(message: object, name: str) -> datetime | None:
    """Read an optional time; one beyond what can be told was never of use to anybody and reads as unset."""
    if not message.HasField(name):  # type: ignore[attr-defined]
        return None
    value: Timestamp = getattr(message, name)
    try:
        return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    except OverflowError:
        return None


def recorded(body: bytes, recorded_at: datetime) -> Recorded:
    """Read a stored event back, with all it says."""
    message = event_pb2.OperationalEvent.FromString(body)
    event = Event(
        event_id=message.event_id.lower(),
        type=TYPES[message.type],
        occurred_at=_moment(message, "occurred_at") or recorded_at,
        organization_id=message.organization_id,
        aggregate_type=AGGREGATES.get(message.aggregate_type, AggregateType.INTENT),
        aggregate_id=message.aggregate_id,
        sequence=message.sequence,
        producer=message.producer,
        actor=message.actor,
        instance_id=message.instance_id,
        campaign_id=message.campaign_id,
        reason=message.reason,
        detail=_detail(message),
    )
    return Recorded(event=event, body=body, recorded_at=recorded_at)


def _detail(message: event_pb2.OperationalEvent) -> Detail:
    match message.WhichOneof("detail"):
        case "decision":
            return _decision(message.decision)
        case "attempt":
            return _attempt(message.attempt)
        case "hold":
            return Hold(
                control_ids=tuple(message.hold.control_ids),
                pause_reason=message.hold.pause_reason,
                paused_until=_moment(message.hold, "paused_until"),
            )
        case "delivery":
            return Delivery(
                attempt_number=message.delivery.attempt_number,
                provider_message_id=message.delivery.provider_message_id,
                provider_code=message.delivery.provider_code,
                resolution=message.delivery.resolution,
                note=message.delivery.note,
            )
        case "pause":
            return Pause(
                scope=message.pause.scope,
                target=message.pause.target,
                note=message.pause.note,
                source=message.pause.source,
                paused_until=_moment(message.pause, "paused_until"),
                paused_at=_moment(message.pause, "paused_at"),
                fenced_at=_moment(message.pause, "fenced_at"),
                plan=message.pause.plan,
            )
        case "cooldown":
            return Cooldown(
                level=message.cooldown.level,
                start_time=_moment(message.cooldown, "start_time"),
                end_time=_moment(message.cooldown, "end_time"),
                failures=message.cooldown.failures,
                sends=message.cooldown.sends,
            )
        case "subject":
            return Subject(
                note=message.subject.note, intents=message.subject.intents, canceled=message.subject.canceled
            )
        case "backlog":
            return Backlog(waiting=message.backlog.waiting, oldest=_moment(message.backlog, "oldest"))
        case _:
            return Note(note=message.note.note)


def _decision(message: event_pb2.DecisionDetail) -> Decision:
    return Decision(
        number=message.number,
        rule=message.rule,
        binding_limiter=message.binding_limiter,
        binding_used=message.binding_used,
        binding_max=message.binding_max,
        policy_version=message.policy_version,
        earliest_time=_moment(message, "earliest_time"),
        tightest_limit=message.tightest_limit,
        tightest_used=message.tightest_used,
        tightest_max=message.tightest_max,
        submitted_at=_moment(message, "submitted_at"),
        approved_until=_moment(message, "approved_until"),
    )


def _attempt(message: event_pb2.AttemptDetail) -> Attempt:
    return Attempt(
        number=message.number,
        provider=message.provider,
        provider_code=message.provider_code,
        provider_message_id=message.provider_message_id,
        taken_at=_moment(message, "taken_at"),
        began_at=_moment(message, "began_at"),
        ended_at=_moment(message, "ended_at"),
        next_attempt_at=_moment(message, "next_attempt_at"),
        submitted_at=_moment(message, "submitted_at"),
        approved_at=_moment(message, "approved_at"),
    )


def stored_event(body: bytes, recorded_at: datetime) -> event_pb2.StoredEvent:
    """Write an event as it was stored."""
    return event_pb2.StoredEvent(event=event_pb2.OperationalEvent.FromString(body), recorded_at=stamp(recorded_at))


def timeline_response(intent_id: str, timeline: Timeline) -> timeline_pb2.GetMessageIntentTimelineResponse:
    """Write a timeline."""
    first, last = timeline.omitted or (0, 0)
    return timeline_pb2.GetMessageIntentTimelineResponse(
        intent_id=intent_id,
        standing=STANDINGS[timeline.standing],
        answer=timeline.answer,
        entries=[_entry(entry) for entry in timeline.entries],
        pending_sequences=timeline.pending_sequences,
        campaign_id=timeline.campaign_id,
        instance_id=timeline.instance_id,
        phases=[_phase(phase) for phase in timeline.phases],
        omitted_sequences=timeline_pb2.SequenceRange(first=first, last=last) if last else None,
        context_omitted=timeline.context_omitted,
    )


def pause_response(stop: Stop) -> timeline_pb2.GetPauseTimelineResponse:
    """Write the story of a pause."""
    last = stop.last
    return timeline_pb2.GetPauseTimelineResponse(
        control_id=stop.control_id,
        answer=stop.answer,
        entries=[_entry(entry) for entry in stop.entries],
        last_send=timeline_pb2.LastSend(
            began_at=stamp(last.began_at), outcome=event_pb2.OperationalEvent.FromString(last.outcome.body)
        )
        if last is not None
        else None,
        begun_before_fence=stop.begun_before_fence,
        begun_after_fence=stop.begun_after_fence,
        unaccounted=stop.unaccounted,
        partial=stop.partial,
    )


def _phase(phase: Phase) -> timeline_pb2.Phase:
    return timeline_pb2.Phase(
        kind=PHASES[phase.kind],
        start_time=stamp(phase.start),
        end_time=None if phase.end is None else stamp(phase.end),
        label=phase.label,
    )


def _entry(entry: Entry) -> timeline_pb2.TimelineEntry:
    written = timeline_pb2.TimelineEntry(
        context=entry.context,
        since_previous=None if entry.since_previous is None else span(entry.since_previous),
        summary=entry.summary,
        recorded_at=stamp(entry.recorded.recorded_at),
    )
    written.event.MergeFromString(entry.recorded.body)
    return written
