"""The numbers as OpenTelemetry metrics: what this replica stored, and how the busiest organizations fare.

Labels are closed or bounded: types, producers, the first 100 reasons that are seen, the organizations of `Busiest`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from audit.application.busiest import Busiest
from audit.domain.arrival import Arrival
from audit.domain.event import EventType
from audit.domain.metrics import VOLUME_TYPES, OrganizationMetrics

MOST_REASONS = 100
_WITH_REASON = frozenset({EventType.MESSAGE_BLOCKED, EventType.MESSAGE_QUEUED, EventType.MESSAGE_FAILED})
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)
_SINCE = ("approval", "submission")
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

Read = Callable[[str, OrganizationMetrics], Iterable[Observation]]


class StoredEvents:
    """Measures what is stored, and shows the numbers of `busiest`."""

    def __init__(self, *, meter: Meter, busiest: Busiest) -> None:
        self._busiest = busiest
        self._reasons: set[str] = {""}
        self._events = meter.create_counter(
            "whatlead.audit.events.recorded", description="Events stored, by producer, type and reason."
        )
        self._within = {since: [0] * (len(_SECONDS) + 1) for since in _SINCE}
        self._seconds = dict.fromkeys(_SINCE, 0.0)
        meter.create_observable_counter(
            "whatlead.audit.time_to_send.bucket",
            callbacks=[self._observe_buckets],
            description="MessageSent within so long of approval, and of submission; `le` as in a histogram.",
        )
        meter.create_observable_counter(
            "whatlead.audit.time_to_send.sum",
            callbacks=[self._observe_seconds],
            unit="s",
            description="From approval, and from submission, to MessageSent, summed.",
        )
        for name, unit, read in (
            ("rate", "{message}/h", _rates),
            ("time_to_send", "s", _times),
            ("saturation", "1", _saturation),
            ("backlog", "{message}", _backlog),
            ("oldest_waiting", "s", _oldest),
        ):
            meter.create_observable_gauge(
                f"whatlead.organization.{name}",
                callbacks=[self._callback(read)],
                unit=unit,
                description="Of the busiest organizations in the last 5 minutes: see docs/metrics.md.",
            )

    def stored(self, arrivals: Sequence[Arrival]) -> None:
        """Measure events that are committed and new."""
        self._busiest.note(arrivals)
        counted = Counter((one.producer, one.type, one.reason if one.type in _WITH_REASON else "") for one in arrivals)
        for (producer, type_, reason), events in counted.items():
            self._events.add(events, {"producer": producer, "type": type_.value, "reason": self._bounded(reason)})
        for one in arrivals:
            if one.type is EventType.MESSAGE_SENT:
                if one.since_approval is not None:
                    self._took(one.since_approval / 1e6, "approval")
                if one.since_submission is not None:
                    self._took(one.since_submission / 1e6, "submission")

    def _took(self, seconds: float, since: str) -> None:
        """Count one time; an instrument's own histogram would take as long for it as reading the whole event does."""
        self._within[since][bisect_left(_SECONDS, seconds)] += 1
        self._seconds[since] += seconds

    def _observe_buckets(self, _: CallbackOptions) -> Iterable[Observation]:
        for since, within in self._within.items():
            for bound, events in zip((*_SECONDS, "+Inf"), accumulate(within), strict=True):
                yield Observation(events, {"since": since, "le": str(bound)})

    def _observe_seconds(self, _: CallbackOptions) -> Iterable[Observation]:
        for since, seconds in self._seconds.items():
            yield Observation(seconds, {"since": since})

    def _bounded(self, reason: str) -> str:
        if len(self._reasons) <= MOST_REASONS:
            self._reasons.add(reason)
        return reason if reason in self._reasons else "OTHER"

    def _callback(self, read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [
                one for organization_id, found in self._busiest.numbers.items() for one in read(organization_id, found)
            ]

        return observe


def _rates(organization_id: str, found: OrganizationMetrics) -> Iterable[Observation]:
    for type_ in VOLUME_TYPES:
        rate = found.window.per_hour(found.numbers.volume[type_])
        yield Observation(rate, {"organization": organization_id, "type": type_.value})


def _times(organization_id: str, found: OrganizationMetrics) -> Iterable[Observation]:
    for since, times in (("approval", found.numbers.from_approval), ("submission", found.numbers.from_submission)):
        for name, share in _QUANTILES.items():
            labels = {"organization": organization_id, "since": since, "quantile": name}
            yield Observation(times.quantile(share).total_seconds(), labels)


def _saturation(organization_id: str, found: OrganizationMetrics) -> Iterable[Observation]:
    if found.saturation is not None:
        yield Observation(found.saturation.ratio, {"organization": organization_id})


def _backlog(organization_id: str, found: OrganizationMetrics) -> Iterable[Observation]:
    for one in found.backlogs:
        yield Observation(one.waiting, {"organization": organization_id, "producer": one.producer})


def _oldest(organization_id: str, found: OrganizationMetrics) -> Iterable[Observation]:
    for one in found.backlogs:
        age = one.oldest_age
        seconds = 0.0 if age is None else age.total_seconds()
        yield Observation(seconds, {"organization": organization_id, "producer": one.producer})
