"""An intent's timeline laid out for people: bars on one axis, lines with their gaps. Knows no terminal and no page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import groupby

from google.protobuf.timestamp_pb2 import Timestamp

from whatlead.audit.v1 import event_pb2, timeline_pb2

_CONTEXT = (timeline_pb2.PHASE_KIND_PAUSE, timeline_pb2.PHASE_KIND_COOLDOWN)
_OFF_AXIS = (*_CONTEXT, timeline_pb2.PHASE_KIND_READING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A phase on the axis; `left` and `right` are shares of it, and what goes beyond it is cut off there."""

    kind: str
    label: str
    begun_at: datetime
    length: timedelta
    left: float
    right: float
    from_before: bool
    beyond: bool
    lasts: bool
    context: bool


class Mark(StrEnum):
    """What a line is."""

    OWN = "own"
    CONTEXT = "context"
    PENDING = "pending"
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the list: an entry, or numbers for which there is none."""

    mark: Mark
    number: str
    what: str
    entry: timeline_pb2.TimelineEntry | None = None


def moment(value: Timestamp) -> datetime:
    """Return a time of the wire."""
    return value.ToDatetime(UTC)


def event_name(event: event_pb2.OperationalEvent) -> str:
    """Return what happened, as a word; a type that this version does not know as its number."""
    known = event_pb2.EventType.DESCRIPTOR.values_by_number.get(event.type)
    return known.name.removeprefix("EVENT_TYPE_") if known is not None else str(event.type)


def bars(life: timeline_pb2.GetMessageIntentTimelineResponse, *, now: datetime) -> list[Bar]:
    """Return a bar for each phase. The axis is the intent's own course without its being read, which may take days."""
    spans = [(moment(one.start_time), moment(one.end_time) if one.HasField("end_time") else now) for one in life.phases]
    course = [span for span, one in zip(spans, life.phases, strict=True) if one.kind not in _OFF_AXIS] or spans
    if not course:
        return []
    first, last = min(span[0] for span in course), max(max(span) for span in course)
    whole = (last - first) or timedelta(microseconds=1)

    def share(at: datetime) -> float:
        return min(1.0, max(0.0, (at - first) / whole))

    return [
        Bar(
            kind=timeline_pb2.PhaseKind.Name(phase.kind).removeprefix("PHASE_KIND_").lower(),
            label=phase.label,
            begun_at=start,
            length=max(timedelta(0), end - start),
            left=share(start),
            right=share(max(start, end)),
            from_before=start < first,
            beyond=end > last,
            lasts=not phase.HasField("end_time"),
            context=phase.kind in _CONTEXT,
        )
        for phase, (start, end) in zip(life.phases, spans, strict=True)
    ]


def lines(life: timeline_pb2.GetMessageIntentTimelineResponse) -> Iterator[Line]:
    """Return the entries in order, with what is still on its way or left out in its place."""
    gaps = _gaps(life)
    for entry in life.entries:
        number = entry.event.sequence
        if entry.context:
            yield Line(mark=Mark.CONTEXT, number="~", what=entry.summary, entry=entry)
            continue
        while gaps and gaps[0][0] < number:
            yield gaps.pop(0)[1]
        yield Line(mark=Mark.OWN, number=str(number or "-"), what=entry.summary, entry=entry)
    yield from (line for _, line in gaps)


def _gaps(life: timeline_pb2.GetMessageIntentTimelineResponse) -> list[tuple[int, Line]]:
    found = [(first, _pending(first, last)) for first, last in _runs(life.pending_sequences)]
    if life.omitted_sequences.last:
        first, last = life.omitted_sequences.first, life.omitted_sequences.last
        what = "left out here; EventService/ListEvents with this intent as aggregate_id has them"
        found.append((first, Line(mark=Mark.OMITTED, number=f"{first}…{last}", what=what)))
    return sorted(found, key=lambda gap: gap[0])


def _pending(first: int, last: int) -> Line:
    number = str(first) if first == last else f"{first}…{last}"
    return Line(mark=Mark.PENDING, number=number, what="pending: still on its way to the audit service")


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return the first and the last of each run of neighbouring numbers."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]


def first_day(life: timeline_pb2.GetMessageIntentTimelineResponse, *, otherwise: datetime) -> datetime:
    """Return the time of the first event that is about the intent itself."""
    return min((moment(one.event.occurred_at) for one in life.entries if not one.context), default=otherwise)


def clock(at: datetime, zone: tzinfo | None, *, day: datetime) -> str:
    """Write a time in the zone (none: this machine's), with its date if that is not the one of `day`."""
    local, reference = at.astimezone(zone), day.astimezone(zone)
    pattern = "%H:%M:%S.%f" if local.date() == reference.date() else "%m-%d %H:%M:%S.%f"
    return local.strftime(pattern)[:-3]


def took(span: timedelta) -> str:
    """Write a length of time in at most nine characters."""
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"


def facts(life: timeline_pb2.GetMessageIntentTimelineResponse) -> list[tuple[str, str]]:
    """Return what names the intent, as far as its events tell."""
    own = [entry.event for entry in life.entries if not entry.context]

    def first(values: Iterator[str]) -> str:
        return next((value for value in values if value), "")

    named = [
        ("intent", life.intent_id),
        ("standing", timeline_pb2.Standing.Name(life.standing).removeprefix("STANDING_").lower().replace("_", " ")),
        ("reference", first(event.decision.reference for event in own)),
        ("request id", first(event.decision.request_id for event in own)),
        ("campaign", life.campaign_id),
        ("instance", life.instance_id),
        ("trace", first(event.trace_id for event in own)),
    ]
    return [(name, value) for name, value in named if value]
