"""One event as ingest sees it: the columns it is found by and the measures it adds. Knows no words.

Tuples, because thousands a second are made and dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from audit.domain.event import AggregateType, EventType


class Reading(NamedTuple):
    """How near a limit was to its end."""

    limit: str
    used: float
    max: float

    @property
    def ratio(self) -> float:
        """Return used / max; a limit of 0, through which nothing passes, is full."""
        if not self.limit:
            return 0.0
        return self.used / self.max if self.max > 0 else 1.0

    @property
    def rank(self) -> tuple[float, float, str]:
        """Return what two readings are compared by, so that the highest is one and the same in any order."""
        return (self.ratio, self.used, self.limit)


class ScopeMark(NamedTuple):
    """What an event says about the time in which a pause or a cooldown held.

    `began_at` is the earliest that the event knows of, `ended_at` none unless the event ends it.
    """

    scope_id: str
    scope: str
    target: str
    began_at: datetime
    ended_at: datetime | None


class Measurement(NamedTuple):
    """How much work waits in the producer, and since when the oldest that is due."""

    waiting: int
    oldest: datetime | None


class Arrival(NamedTuple):
    """One event that can be stored: first its columns, then what it adds to the numbers.

    `occurred_at` is never after `recorded_at`; `clamped` if it was moved. Times to send are microseconds, 0 where
    clocks disagree about the order, and none where the event does not tell them.
    """

    event_id: str
    organization_id: str
    aggregate_type: AggregateType
    aggregate_id: str
    sequence: int
    type: EventType
    instance_id: str
    campaign_id: str
    reason: str
    occurred_at: datetime
    recorded_at: datetime
    clamped: bool
    producer: str
    trace_id: str
    actor: str
    body: bytes
    since_submission: int | None = None
    since_approval: int | None = None
    reading: Reading | None = None
    scope: ScopeMark | None = None
    backlog: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One item that is set aside. `event_id` is empty where none could be read."""

    position: int
    event_id: str
    reason: str
    message: str
    body: bytes
    peer: str
    recorded_at: datetime

    @property
    def item_id(self) -> str:
        """Return what the producer knows the item by."""
        return self.event_id or f"#{self.position}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A call's batch in the order in which every ingest locks: by event id, each id once, and what is set aside."""

    arrivals: tuple[Arrival, ...]
    refused: tuple[Refused, ...]


CONFLICTING_DUPLICATE = "CONFLICTING_DUPLICATE"


def conflicting(position: int, arrival: Arrival) -> Refused:
    """Set aside an event whose id came before with other content."""
    return Refused(
        position=position,
        event_id=arrival.event_id,
        reason=CONFLICTING_DUPLICATE,
        message="the same event id came before with other content; this one is kept aside",
        body=arrival.body,
        peer=arrival.producer,
        recorded_at=arrival.recorded_at,
    )


def sort_out(items: Iterable[Arrival | Refused]) -> Sorted:
    """Bring a batch into the order of locking, without identical repeats; of unlike ones the first stays."""
    first: dict[str, Arrival] = {}
    refused: list[Refused] = []
    for position, item in enumerate(items):
        if isinstance(item, Refused):
            refused.append(item)
        elif first.setdefault(item.event_id, item).body != item.body:
            refused.append(conflicting(position, item))
    ordered = tuple(first[event_id] for event_id in sorted(first))
    return Sorted(arrivals=ordered, refused=tuple(refused))


def in_one_order(calls: Sequence[Sorted]) -> tuple[Arrival, ...]:
    """Bring the batches of several calls into one order of locking; of those with one id the first stays."""
    if len(calls) == 1:
        return calls[0].arrivals
    first: dict[str, Arrival] = {}
    for call in calls:
        for arrival in call.arrivals:
            first.setdefault(arrival.event_id, arrival)
    return tuple(first[event_id] for event_id in sorted(first))
