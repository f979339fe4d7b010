"""What a batch of events adds to the numbers, by minute. Knows nothing of windows or of tables."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from audit.domain.arrival import Arrival, Measurement, Reading, ScopeMark
from audit.domain.durations import Durations
from audit.domain.event import EventType

# The minutes that sums are kept for; each is a multiple of the one before.
SPANS = (1, 10, 60, 1_440)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_UNTIMED = (Durations(), Durations())


class CountKey(NamedTuple):
    """What is counted together. Batches lock the sums in the order of these keys."""

    organization_id: str
    minute: datetime
    instance_id: str
    campaign_id: str
    event_type: str
    reason: str


class Count(NamedTuple):
    """How many events, and the times to send since approval and since submission of those that were measured."""

    key: CountKey
    events: int
    since_approval: Durations
    since_submission: Durations


class PeakKey(NamedTuple):
    """Whose highest reading is kept."""

    organization_id: str
    minute: datetime
    instance_id: str
    campaign_id: str


class Peak(NamedTuple):
    """The highest reading of a limit."""

    key: PeakKey
    reading: Reading


class BacklogReading(NamedTuple):
    """The newest measurement of the work that waits in one service."""

    organization_id: str
    producer: str
    waiting: int
    oldest: datetime | None
    measured_at: datetime


class ScopeInterval(NamedTuple):
    """A pause or a cooldown as far as a batch knows it: the events that tell of it, and when it held."""

    organization_id: str
    mark: ScopeMark
    event_ids: tuple[str, ...]


class Rollup(NamedTuple):
    """All that a batch adds, each part in the order of locking."""

    counts: tuple[Count, ...]
    peaks: tuple[Peak, ...]
    backlogs: tuple[BacklogReading, ...]
    intervals: tuple[ScopeInterval, ...]


def minute_of(moment: datetime) -> datetime:
    """Return the full minute that `moment` lies in."""
    return moment.replace(second=0, microsecond=0)


def span_of(moment: datetime, minutes: int) -> datetime:
    """Return the start of the span of so many minutes, counted from 1970 by UTC, that `moment` lies in."""
    return moment - (moment - _EPOCH) % timedelta(minutes=minutes)


def full_span_from(moment: datetime, minutes: int) -> datetime:
    """Return the start of the first such span that does not begin before `moment`."""
    return moment + (_EPOCH - moment) % timedelta(minutes=minutes)


def roll_up(arrivals: Sequence[Arrival]) -> Rollup:
    """Sum up the events of a batch that were really stored."""
    return Rollup(
        counts=_count(arrivals),
        peaks=_peaks((one, one.reading) for one in arrivals if one.reading is not None),
        backlogs=_newest((one, one.backlog) for one in arrivals if one.backlog is not None),
        intervals=_intervals((one, one.scope) for one in arrivals if one.scope is not None),
    )


def _count(arrivals: Iterable[Arrival]) -> tuple[Count, ...]:
    sums: dict[tuple[str, datetime, str, str, str, str], int] = {}
    times: dict[tuple[str, datetime, str, str, str, str], tuple[Durations, Durations]] = {}
    minute = next_minute = _EPOCH
    for arrival in arrivals:
        if arrival.type is EventType.BACKLOG_MEASURED:
            continue
        if not minute <= arrival.occurred_at < next_minute:  # most events are of the minute of the one before
            minute = minute_of(arrival.occurred_at)
            next_minute = minute + _MINUTE
        key = (
            arrival.organization_id,
            minute,
            arrival.instance_id,
            arrival.campaign_id,
            arrival.type,
            arrival.reason,
        )
        sums[key] = sums.get(key, 0) + 1
        if arrival.type is EventType.MESSAGE_SENT:
            since_approval, since_submission = times.get(key) or times.setdefault(key, (Durations(), Durations()))
            if arrival.since_approval is not None:
                since_approval.add(arrival.since_approval)
            if arrival.since_submission is not None:
                since_submission.add(arrival.since_submission)
    return tuple(Count(CountKey(*key), sums[key], *times.get(key, _UNTIMED)) for key in sorted(sums))


def _peaks(arrivals: Iterable[tuple[Arrival, Reading]]) -> tuple[Peak, ...]:
    highest: dict[PeakKey, Reading] = {}
    for arrival, reading in arrivals:
        key = PeakKey(arrival.organization_id, minute_of(arrival.occurred_at), arrival.instance_id, arrival.campaign_id)
        known = highest.get(key)
        if known is None or reading.rank > known.rank:
            highest[key] = reading
    return tuple(Peak(key, highest[key]) for key in sorted(highest))


def _newest(arrivals: Iterable[tuple[Arrival, Measurement]]) -> tuple[BacklogReading, ...]:
    newest: dict[tuple[str, str], BacklogReading] = {}
    for arrival, measured in arrivals:
        key = (arrival.organization_id, arrival.producer)
        known = newest.get(key)
        if known is None or arrival.occurred_at > known.measured_at:
            newest[key] = BacklogReading(*key, measured.waiting, measured.oldest, arrival.occurred_at)
    return tuple(newest[key] for key in sorted(newest))


def _intervals(arrivals: Iterable[tuple[Arrival, ScopeMark]]) -> tuple[ScopeInterval, ...]:
    merged: dict[tuple[str, str], ScopeInterval] = {}
    for arrival, mark in arrivals:
        key = (arrival.organization_id, mark.scope_id)
        known = merged.get(key)
        joint = mark if known is None else _together(known.mark, mark)
        events = (*(known.event_ids if known else ()), arrival.event_id)
        merged[key] = ScopeInterval(arrival.organization_id, joint, events)
    return tuple(merged[key] for key in sorted(merged))


def _together(one: ScopeMark, other: ScopeMark) -> ScopeMark:
    ends = [mark.ended_at for mark in (one, other) if mark.ended_at is not None]
    return one._replace(began_at=min(one.began_at, other.began_at), ended_at=min(ends, default=None))
