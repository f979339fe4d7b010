"""When sending really stopped: a pause held against the attempts that ended around it. Knows nothing of stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.domain.event import Attempt, Event, EventType
from audit.domain.pauses import KnownPause, kind, known_pauses
from audit.domain.summary import summarise
from audit.domain.timeline import Entry, Read, Recorded
from audit.domain.words import because, covered, duration, instant, named

BEFORE = timedelta(minutes=1)
AFTER = timedelta(minutes=2)
MOST_SENDS = 5_000
ENDS_OF_ATTEMPTS = (
    EventType.MESSAGE_SENT,
    EventType.MESSAGE_FAILED,
    EventType.MESSAGE_RETRY_SCHEDULED,
    EventType.MESSAGE_OUTCOME_UNKNOWN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which attempts to look at: those of one campaign or instance, or all, that ended between the two times."""

    campaign_id: str
    instance_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSend:
    """The send that began last, with the event of its outcome."""

    began_at: datetime
    outcome: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The story of a pause."""

    control_id: str
    answer: str
    entries: tuple[Entry, ...]
    last: LastSend | None
    begun_before_fence: int
    begun_after_fence: int
    unaccounted: int
    partial: bool


def window(events: Sequence[Event]) -> Window:
    """Tell where and when a pause may have met sends. `events` are a pause's own and not empty."""
    (pause,) = known_pauses(events)
    return Window(
        campaign_id=pause.target if pause.scope == "CAMPAIGN" else "",
        instance_id=pause.target if pause.scope == "INSTANCE" else "",
        start=pause.began_at - BEFORE,
        end=(pause.fenced_at or pause.began_at) + AFTER,
    )


def tell(events: Sequence[Recorded], sends: Read) -> Stop:
    """Say who paused, when the fence stood and which send was the last to begin before the pause was lifted.

    `events` are a pause's own and not empty, `sends` the attempts of its window.
    """
    ordered = sorted(events, key=lambda one: (one.event.occurred_at, one.event.event_id))
    (pause,) = known_pauses(one.event for one in ordered)
    begun = [
        LastSend(began_at=attempt.began_at, outcome=one)
        for one in sends.events
        if isinstance(attempt := one.event.detail, Attempt)
        and attempt.began_at is not None
        and (pause.ended_at is None or attempt.began_at < pause.ended_at)
    ]
    last = max(begun, key=lambda send: (send.began_at, send.outcome.event.event_id), default=None)
    fenced_at = pause.fenced_at
    before = sum(pause.began_at <= send.began_at and (not fenced_at or send.began_at <= fenced_at) for send in begun)
    after = sum(fenced_at is not None and send.began_at > fenced_at for send in begun)
    silent = sum(
        isinstance(one.event.detail, Attempt) and one.event.detail.began_at is None
        for one in sends.events
        if one.event.type is EventType.MESSAGE_OUTCOME_UNKNOWN
    )
    return Stop(
        control_id=pause.control_id,
        answer="; ".join([_made(pause), _fenced(pause), _last_send(pause, last, after), *_lifted(ordered)]),
        entries=_entries(ordered),
        last=last,
        begun_before_fence=before,
        begun_after_fence=after,
        unaccounted=silent,
        partial=not sends.whole,
    )


def _made(pause: KnownPause) -> str:
    what = f"{kind(pause.source).capitalize()} of {covered(pause.scope, pause.target)}"
    return f"{what} {because(pause.note, pause.actor)}".rstrip() + f" at {instant(pause.began_at)}"


def _fenced(pause: KnownPause) -> str:
    if pause.fenced_at is None:
        return "its fence has not been recorded"
    return f"fenced {duration(pause.fenced_at - pause.began_at)} later at {instant(pause.fenced_at)}"


def _last_send(pause: KnownPause, last: LastSend | None, after: int) -> str:
    if last is None:
        return "no send began in the minute before it, nor while it held"
    event = last.outcome.event
    text = (
        f"the last send began at {instant(last.began_at)} (intent {event.aggregate_id} by {named(event.instance_id)})"
    )
    if pause.fenced_at is None:
        return text
    if after:
        return f"{text}, {after} began AFTER the fence"
    return f"{text}, {duration(pause.fenced_at - last.began_at)} before the fence, and none after it"


def _lifted(ordered: Sequence[Recorded]) -> list[str]:
    """Say by the pause's last event how it ended, if it did."""
    last = ordered[-1].event
    if last.type in (EventType.EXECUTION_PAUSED, EventType.EXECUTION_FENCED):
        return ["it still holds"]
    return [f"{instant(last.occurred_at)}: {summarise(last)}"]


def _entries(ordered: Sequence[Recorded]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for place, one in enumerate(ordered):
        since = one.event.occurred_at - ordered[place - 1].event.occurred_at if place else None
        entries.append(Entry(recorded=one, context=False, since_previous=since, summary=summarise(one.event)))
    return tuple(entries)
