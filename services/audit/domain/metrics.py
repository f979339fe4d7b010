"""The numbers of a window, put together from sums by instance, type and reason. Knows nothing of single events."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.domain.arrival import Reading
from audit.domain.durations import Durations
from audit.domain.event import EventType
from audit.domain.rollup import minute_of

LONGEST_WINDOW_MINUTES = 44_640

VOLUME_TYPES = (
    EventType.MESSAGE_APPROVED,
    EventType.MESSAGE_QUEUED,
    EventType.MESSAGE_BLOCKED,
    EventType.MESSAGE_SENT,
    EventType.MESSAGE_FAILED,
    EventType.MESSAGE_RETRY_SCHEDULED,
    EventType.MESSAGE_HELD,
    EventType.MESSAGE_OUTCOME_UNKNOWN,
    EventType.MESSAGE_DELIVERED,
    EventType.MESSAGE_READ,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The bounds of what is counted: both ends included."""

    start: datetime
    end: datetime

    def per_hour(self, total: int) -> float:
        """Return `total` as a rate over the window's real length; 0 where it has none yet."""
        seconds = (self.end - self.start).total_seconds()
        return total * 3600 / seconds if seconds else 0.0


def window_start(minutes: int, now: datetime) -> datetime:
    """Return the full minute that lies `minutes` before the running one."""
    return minute_of(now) - timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What was counted of one instance, type and reason in a window."""

    instance_id: str
    event_type: EventType
    reason: str
    events: int
    since_approval: Durations = field(default_factory=Durations)
    since_submission: Durations = field(default_factory=Durations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waited in one service when it was last measured."""

    producer: str
    waiting: int
    oldest: datetime | None
    measured_at: datetime

    @property
    def oldest_age(self) -> timedelta | None:
        """Return how long the oldest that was due had been waiting, or none if none was due."""
        return None if self.oldest is None else max(timedelta(0), self.measured_at - self.oldest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is counted alike for an instance and an organization. Reasons come most frequent first."""

    volume: Mapping[EventType, int]
    blocked_by_reason: tuple[tuple[str, int], ...]
    queued_by_reason: tuple[tuple[str, int], ...]
    failed_by_reason: tuple[tuple[str, int], ...]
    from_approval: Durations
    from_submission: Durations
    cooldowns_triggered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceMetrics:
    """The numbers of one instance. `saturation` is none where no limit applied."""

    window: Window
    numbers: Numbers
    saturation: Reading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One instance's part of what the organization sent."""

    instance_id: str
    sent: int
    share: float
    saturation: Reading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationMetrics:
    """The numbers of an organization, and how they spread."""

    window: Window
    numbers: Numbers
    saturation: Reading | None
    most_saturated_instance_id: str
    shares: tuple[Share, ...]
    backlogs: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The numbers of one instance or one campaign."""

    id: str
    numbers: Numbers
    saturation: Reading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that sent most first, and how many there are in all."""

    window: Window
    parts: tuple[Part, ...]
    total: int


def count(sums: Sequence[Sum]) -> Numbers:
    """Add up what was counted, over all instances given."""
    totals: Counter[EventType] = Counter()
    for one in sums:
        totals[one.event_type] += one.events
    return Numbers(
        volume={kind: totals[kind] for kind in VOLUME_TYPES},
        blocked_by_reason=_by_reason(sums, EventType.MESSAGE_BLOCKED),
        queued_by_reason=_by_reason(sums, EventType.MESSAGE_QUEUED),
        failed_by_reason=_by_reason(sums, EventType.MESSAGE_FAILED),
        from_approval=Durations.merged(one.since_approval for one in sums),
        from_submission=Durations.merged(one.since_submission for one in sums),
        cooldowns_triggered=totals[EventType.INSTANCE_COOLDOWN_STARTED],
    )


def of_instance(window: Window, sums: Sequence[Sum], peak: Reading | None) -> InstanceMetrics:
    """Put together the numbers of one instance."""
    return InstanceMetrics(window=window, numbers=count(sums), saturation=peak)


def of_organization(
    window: Window, sums: Sequence[Sum], peaks: Mapping[str, Reading], backlogs: Sequence[Waiting]
) -> OrganizationMetrics:
    """Put together the numbers of an organization from those of its instances."""
    real = {instance_id: reading for instance_id, reading in peaks.items() if instance_id}
    fullest = max(real, key=lambda instance_id: (real[instance_id].rank, instance_id), default="")
    return OrganizationMetrics(
        window=window,
        numbers=count(sums),
        saturation=_together(real.values(), real[fullest].limit) if fullest else None,
        most_saturated_instance_id=fullest,
        shares=_shares(sums, peaks),
        backlogs=tuple(backlogs),
    )


def in_parts(window: Window, sums: Mapping[str, Sequence[Sum]], peaks: Mapping[str, Reading], *, most: int) -> Parts:
    """Put together the numbers of those that messages or cooldowns were counted of."""
    parts = [Part(id=id_, numbers=count(of_it), saturation=peaks.get(id_)) for id_, of_it in sums.items()]
    busy = [part for part in parts if part.numbers.cooldowns_triggered or any(part.numbers.volume.values())]
    busy.sort(key=lambda part: (-part.numbers.volume[EventType.MESSAGE_SENT], part.id))
    return Parts(window=window, parts=tuple(busy[:most]), total=len(busy))


def _together(readings: Iterable[Reading], limit: str) -> Reading:
    used, most = 0.0, 0.0
    for reading in readings:
        used += reading.used
        most += reading.max
    return Reading(limit, used, most)


def _shares(sums: Sequence[Sum], peaks: Mapping[str, Reading]) -> tuple[Share, ...]:
    sent: Counter[str] = Counter({one.instance_id: 0 for one in sums})
    for one in sums:
        if one.event_type is EventType.MESSAGE_SENT:
            sent[one.instance_id] += one.events
    total = sum(sent.values())
    shares = [
        Share(
            instance_id=instance_id,
            sent=events,
            share=events / total if total else 0.0,
            saturation=peaks.get(instance_id),
        )
        for instance_id, events in sent.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.sent, share.instance_id)))


def _by_reason(sums: Iterable[Sum], kind: EventType) -> tuple[tuple[str, int], ...]:
    totals: Counter[str] = Counter()
    for one in sums:
        if one.event_type is kind:
            totals[one.reason] += one.events
    return tuple(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
