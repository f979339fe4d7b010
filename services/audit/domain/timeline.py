"""The life of one intent, put in order from events that arrived in none. Knows nothing of stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, pairwise

from audit.domain.answer import Standing, answer, settled_at
from audit.domain.event import Event, EventType
from audit.domain.pauses import known_pauses
from audit.domain.phases import Phase, phases
from audit.domain.summary import summarise

MOST_PENDING = 1_000
FIRST_EVENTS = 20
NEWEST_EVENTS = 180
NEWEST_AROUND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with the very bytes it came in and when it was stored."""

    event: Event
    body: bytes
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Events in any order; `whole` is false where some are left out: between the oldest and newest, or the oldest."""

    events: Sequence[Recorded]
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `context` is true of what is around the intent and not about it."""

    recorded: Recorded
    context: bool
    since_previous: timedelta | None
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is known of an intent's life, in order. `omitted` is the first and the last number left out, if any are."""

    standing: Standing
    answer: str
    entries: tuple[Entry, ...]
    pending_sequences: tuple[int, ...]
    campaign_id: str
    instance_id: str
    phases: tuple[Phase, ...]
    omitted: tuple[int, int] | None
    context_omitted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What to look for around an intent: whatever covered one of these between the two times."""

    instance_ids: tuple[str, ...]
    campaign_ids: tuple[str, ...]
    start: datetime
    end: datetime


def told_apart(own: Read) -> tuple[Read, list[Recorded]]:
    """Return an intent's course, and what came to it whatever its course was: that it was erased."""
    erasures = [one for one in own.events if one.event.type is EventType.MESSAGE_ERASED]
    course = [one for one in own.events if one.event.type is not EventType.MESSAGE_ERASED]
    return Read(events=course, whole=own.whole), erasures


def surroundings(own: Sequence[Recorded], *, created_at: datetime, now: datetime) -> Surroundings:
    """Tell where and when an intent lived: from its creation until its course came to rest, or until now."""
    events = [recorded.event for recorded in _in_order(own)]
    return Surroundings(
        instance_ids=tuple(sorted({event.instance_id for event in events if event.instance_id})),
        campaign_ids=tuple(sorted({event.campaign_id for event in events if event.campaign_id})),
        start=min([created_at, *(event.occurred_at for event in events)]),
        end=settled_at(events) or now,
    )


def assemble(own: Read, around: Read, *, now: datetime) -> Timeline:
    """Order an intent's events by sequence, merge in by time what was around it, and say where it stands.

    `own` is not empty.
    """
    ordered = _in_order(own.events)
    events, scopes = [recorded.event for recorded in ordered], [one.event for one in around.events]
    omitted = None if own.whole else _left_out(events)
    missing = pending_sequences(events, omitted)
    verdict = answer(events, known_pauses(scopes), pending=len(missing), now=now)
    return Timeline(
        standing=verdict.standing,
        answer=verdict.text,
        entries=_entries(ordered, around.events),
        pending_sequences=missing,
        campaign_id=_newest([event.campaign_id for event in events]),
        instance_id=_newest([event.instance_id for event in events]),
        phases=phases(events, scopes, broken_at=omitted[1] + 1 if omitted else 0),
        omitted=omitted,
        context_omitted=not around.whole,
    )


def pending_sequences(own: Sequence[Event], omitted: tuple[int, int] | None = None) -> tuple[int, ...]:
    """Return the numbers missing below the highest that arrived, but for those left out; at most a thousand."""
    seen = {event.sequence for event in own if event.sequence > 0}
    first, last = omitted or (1, 0)
    expected = chain(range(1, first), range(last + 1, max(seen, default=0)))
    return tuple(islice((sequence for sequence in expected if sequence not in seen), MOST_PENDING))


def _left_out(ordered: Sequence[Event]) -> tuple[int, int] | None:
    """Return the widest gap between neighbouring numbers: there the oldest events end and the newest begin."""
    numbers = [event.sequence for event in ordered if event.sequence > 0]
    gaps = [(after - before, before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1]
    return max(gaps)[1:] if gaps else None


def _in_order(own: Sequence[Recorded]) -> list[Recorded]:
    numbered = sorted(
        (one for one in own if one.event.sequence > 0),
        key=lambda one: (one.event.sequence, one.event.event_id),
    )
    unnumbered = [one for one in own if one.event.sequence == 0]
    return [one for one, _ in _merged(numbered, unnumbered)]


def _merged(ordered: Sequence[Recorded], others: Sequence[Recorded]) -> list[tuple[Recorded, bool]]:
    """Merge `others` (marked True) by time into `ordered`, whose order stays though clocks may disagree."""
    waiting = sorted(others, key=lambda one: (one.event.occurred_at, one.event.event_id), reverse=True)
    result: list[tuple[Recorded, bool]] = []
    reached: datetime | None = None
    for one in ordered:
        at = one.event.occurred_at
        reached = at if reached is None else max(reached, at)
        while waiting and waiting[-1].event.occurred_at <= reached:
            result.append((waiting.pop(), True))
        result.append((one, False))
    result.extend((one, True) for one in reversed(waiting))
    return result


def _entries(ordered: Sequence[Recorded], around: Sequence[Recorded]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    previous: datetime | None = None
    for recorded, context in _merged(ordered, around):
        at = recorded.event.occurred_at
        since = None if previous is None else max(timedelta(0), at - previous)
        entries.append(
            Entry(recorded=recorded, context=context, since_previous=since, summary=summarise(recorded.event))
        )
        if not context:
            previous = at
    return tuple(entries)


def _newest(values: Sequence[str]) -> str:
    return next((value for value in reversed(values) if value), "")
