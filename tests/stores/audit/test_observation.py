"""OpenTelemetry metrics say what MetricsService says, and their labels stay few whatever comes."""

import random
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, StillClock, message, record, stamp
from tests.stores.audit.recounting import random_event

from audit.application.busiest import MOST_ORGANIZATIONS, WINDOW_MINUTES, Busiest
from audit.application.measure import measure_organization
from audit.domain.arrival import Arrival
from audit.domain.metrics import VOLUME_TYPES
from audit.infrastructure.observation import MOST_REASONS, StoredEvents
from audit.infrastructure.postgres_sums import PostgresSums
from whatlead.audit.v1 import event_pb2


class Metered:
    """A meter of its own, and what it shows."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.busiest = Busiest()
        meter = MeterProvider(metric_readers=[self._reader]).get_meter("test")
        self.stored = StoredEvents(meter=meter, busiest=self.busiest).stored

    def points(self, name: str) -> list[Any]:
        """Return the points of one metric as they are exported now."""
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"whatlead.{name}"
        ]
        return [point for metric in found for point in metric.data.data_points]


@pytest.fixture
def metered() -> Metered:
    return Metered()


async def test_they_are_the_numbers_of_the_service(databases: Databases, metered: Metered) -> None:
    database = await databases.database("audit")
    chance = random.Random(11)
    heard: list[Arrival] = []
    events = [random_event(chance, NOW - timedelta(seconds=chance.uniform(0, 250))) for _ in range(400)]
    backlog = event_pb2.BacklogDetail(waiting=5, oldest=stamp(NOW - timedelta(seconds=30)))
    events.append(message("BACKLOG_MEASURED", producer="executor", backlog=backlog).SerializeToString())
    await record(database, *events, peer="executor", heard=heard)
    await record(database, *events[:50], peer="executor", heard=heard)
    metered.stored(heard)
    measure = partial(measure_organization, sums=PostgresSums(database), clock=StillClock())
    await metered.busiest.refresh(measure)

    numbers = {
        one: await measure(organization_id=one, campaign_id="", minutes=WINDOW_MINUTES) for one in ("acme", "other")
    }
    events_stored = metered.points("audit.events.recorded")
    for type_ in VOLUME_TYPES:
        counted = sum(point.value for point in events_stored if point.attributes["type"] == type_.value)
        assert counted == sum(one.numbers.volume[type_] for one in numbers.values()) > 0
    for reason, blocked in numbers["acme"].numbers.blocked_by_reason:
        (point,) = [
            point
            for point in events_stored
            if (point.attributes["type"], point.attributes["reason"]) == ("MESSAGE_BLOCKED", reason)
        ]
        assert point.value == blocked + dict(numbers["other"].numbers.blocked_by_reason).get(reason, 0)
    for point in metered.points("audit.time_to_send.sum"):
        parts = [getattr(one.numbers, f"from_{point.attributes['since']}") for one in numbers.values()]
        assert point.value == pytest.approx(sum(part.total_us for part in parts) / 1e6)
        within = {
            bucket.attributes["le"]: bucket.value
            for bucket in metered.points("audit.time_to_send.bucket")
            if bucket.attributes["since"] == point.attributes["since"]
        }
        assert within["+Inf"] == sum(part.count for part in parts) > within["60"] > 0
        assert list(within.values()) == sorted(within.values())

    def of_acme(name: str, **labels: str) -> float:
        wanted = {"organization": "acme", **labels}
        (found,) = [point.value for point in metered.points(f"organization.{name}") if point.attributes == wanted]
        return float(found)

    acme = numbers["acme"]
    for type_ in VOLUME_TYPES:
        assert of_acme("rate", type=type_.value) == acme.window.per_hour(acme.numbers.volume[type_])
    p95 = acme.numbers.from_submission.quantile(0.95).total_seconds()
    assert of_acme("time_to_send", since="submission", quantile="p95") == p95 > 0
    assert acme.saturation is not None
    assert of_acme("saturation") == acme.saturation.ratio
    assert of_acme("backlog", producer="executor") == 5
    assert of_acme("oldest_waiting", producer="executor") == 30


async def test_only_the_busiest_organizations_are_named_and_quiet_ones_give_way(
    databases: Databases, metered: Metered
) -> None:
    database = await databases.database("audit")
    measure = partial(measure_organization, sums=PostgresSums(database), clock=StillClock())

    async def named_after(*organizations: str) -> set[str]:
        heard: list[Arrival] = []
        events = [message("MESSAGE_SENT", organization_id=one).SerializeToString() for one in organizations]
        await record(database, *events, heard=heard)
        metered.stored(heard)
        await metered.busiest.refresh(measure)
        return {point.attributes["organization"] for point in metered.points("organization.rate")}

    small = [f"small-{number}" for number in range(3 * MOST_ORGANIZATIONS)]
    first = await named_after("big", "big", *small)
    assert len(first) == MOST_ORGANIZATIONS
    assert "big" in first
    assert await named_after("late") == {"big", "late"}


async def test_reasons_without_end_become_one_label(databases: Databases, metered: Metered) -> None:
    database = await databases.database("audit")
    heard: list[Arrival] = []
    count = 3 * MOST_REASONS
    events = [message("MESSAGE_FAILED", reason=f"R{number}").SerializeToString() for number in range(count)]
    await record(database, *events, heard=heard)
    metered.stored(heard)
    by_reason = {point.attributes["reason"]: point.value for point in metered.points("audit.events.recorded")}
    assert len(by_reason) == MOST_REASONS + 1
    assert by_reason["OTHER"] == count - MOST_REASONS
