"""Aggregated metrics equal a recount of the raw events, by window and by instance, whatever order events came in."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, StillClock, about, message, record, stamp

from audit.application.measure import measure_instance, measure_organization
from audit.domain.durations import Durations
from audit.domain.event import EventType
from audit.domain.metrics import VOLUME_TYPES, InstanceMetrics, Numbers, OrganizationMetrics
from audit.infrastructure.postgres_sums import PostgresSums
from chassis.database import Database, Query, Transaction
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2

RAW = Query.of("raw", "SELECT body, recorded_at FROM operational_event WHERE organization_id = 'acme'")
WINDOWS = [1, 5, 60, 1_440, 44_640]
INSTANCES = ["inst-sp-1", "inst-sp-2", "inst-rj-1"]
LIMITS = ["HOURLY_CAP", "DAILY_CAP", "PACE"]


def random_event(chance: random.Random, at: datetime) -> bytes:
    """Make an event of any kind that is counted."""
    kind = chance.choice([*VOLUME_TYPES, EventType.INSTANCE_COOLDOWN_STARTED, EventType.MESSAGE_SEND_STARTED])
    fields: dict[str, Any] = {
        "at": at,
        "instance_id": chance.choice(INSTANCES),
        "campaign_id": chance.choice(["black-friday", "welcome"]),
        "organization_id": chance.choice(["acme", "acme", "acme", "other"]),
    }
    if kind in {EventType.MESSAGE_BLOCKED, EventType.MESSAGE_QUEUED, EventType.MESSAGE_FAILED}:
        fields["reason"] = chance.choice(["OPTED_OUT", "PACE", "RECIPIENT_NEVER"])
    if kind in {EventType.MESSAGE_APPROVED, EventType.MESSAGE_QUEUED, EventType.MESSAGE_BLOCKED}:
        fields["decision"] = event_pb2.DecisionDetail(
            tightest_limit=chance.choice(["", *LIMITS]),
            tightest_used=chance.randrange(100),
            tightest_max=chance.choice([0, 50, 100]),
        )
    if kind is EventType.MESSAGE_SENT:
        ago = timedelta(milliseconds=chance.randrange(-100, 90_000))
        fields["attempt"] = event_pb2.AttemptDetail(
            approved_at=stamp(at - ago) if chance.random() < 0.9 else None,
            submitted_at=stamp(at - 2 * ago) if chance.random() < 0.9 else None,
        )
    return message(kind.value, aggregate_id=str(uuid7()), producer="executor", **fields).SerializeToString()


async def raw_events(database: Database) -> list[tuple[event_pb2.OperationalEvent, datetime]]:
    """Read every event of the organization with the time it counts at: never after it was recorded."""
    async with database.snapshot() as tx:
        rows = await tx.fetch(RAW)
    events = [(event_pb2.OperationalEvent.FromString(row.body), row.recorded_at) for row in rows]
    return [(event, min(event.occurred_at.ToDatetime(tzinfo=UTC), recorded)) for event, recorded in events]


def times_since(field: str, events: Sequence[tuple[event_pb2.OperationalEvent, datetime]]) -> list[int]:
    """Return the microseconds that every MessageSent took since approval or submission, sorted."""
    spans = [
        at - getattr(event.attempt, field).ToDatetime(tzinfo=UTC)
        for event, at in events
        if event.type == event_pb2.EVENT_TYPE_MESSAGE_SENT and event.attempt.HasField(field)
    ]
    return sorted(max(0, span // timedelta(microseconds=1)) for span in spans)


def check_percentiles(durations: Durations, exact: Sequence[int]) -> None:
    """See that each percentile is within 2 % of the one of the sorted times themselves."""
    for share in (0.5, 0.95, 0.99):
        expected = timedelta(microseconds=exact[math.ceil(share * len(exact)) - 1])
        assert abs(durations.quantile(share) - expected) <= 0.02 * expected + timedelta(microseconds=1)


def recount(events: Sequence[tuple[event_pb2.OperationalEvent, datetime]]) -> Numbers:
    """Count raw events in the plainest way there is."""
    of_type: dict[str, list[tuple[event_pb2.OperationalEvent, datetime]]] = {kind.value: [] for kind in EventType}
    for event, at in events:
        of_type[event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_")].append((event, at))

    def by_reason(kind: EventType) -> tuple[tuple[str, int], ...]:
        reasons = sorted(event.reason for event, _ in of_type[kind])
        counted = [(reason, len(list(group))) for reason, group in groupby(reasons)]
        return tuple(sorted(counted, key=lambda item: -item[1]))

    def time_since(field: str) -> Durations:
        durations = Durations()
        for took in times_since(field, events):
            durations.add(took)
        return durations

    return Numbers(
        volume={kind: len(of_type[kind]) for kind in VOLUME_TYPES},
        blocked_by_reason=by_reason(EventType.MESSAGE_BLOCKED),
        queued_by_reason=by_reason(EventType.MESSAGE_QUEUED),
        failed_by_reason=by_reason(EventType.MESSAGE_FAILED),
        from_approval=time_since("approved_at"),
        from_submission=time_since("submitted_at"),
        cooldowns_triggered=len(of_type[EventType.INSTANCE_COOLDOWN_STARTED]),
    )


def highest(events: Sequence[tuple[event_pb2.OperationalEvent, datetime]]) -> tuple[float, float, str]:
    """Return the highest reading of any limit as (ratio, used, name)."""
    readings = [
        (
            event.decision.tightest_used / event.decision.tightest_max if event.decision.tightest_max else 1.0,
            event.decision.tightest_used,
            event.decision.tightest_limit,
        )
        for event, _ in events
        if event.decision.tightest_limit
    ]
    return max(readings, default=(0.0, 0.0, ""))


async def organization_metrics(database: Database, minutes: int, campaign_id: str = "") -> OrganizationMetrics:
    return await measure_organization(
        organization_id="acme",
        campaign_id=campaign_id,
        minutes=minutes,
        sums=PostgresSums(database),
        clock=StillClock(),
    )


async def instance_metrics(
    database: Database, instance_id: str, minutes: int, campaign_id: str = ""
) -> InstanceMetrics:
    return await measure_instance(
        organization_id="acme",
        instance_id=instance_id,
        campaign_id=campaign_id,
        minutes=minutes,
        sums=PostgresSums(database),
        clock=StillClock(),
    )


@pytest.fixture
async def filled(databases: Databases) -> Database:
    """A log that three replicas filled at once with duplicates, late, reordered and future events."""
    url = await databases.url("audit")
    replicas = [databases.connect(url, pool_size=2) for _ in range(3)]
    chance = random.Random(20260302)
    ages = [chance.choice([30, 300, 3_600, 80_000, 2_600_000, 3_000_000]) for _ in range(1_200)]
    events = [random_event(chance, NOW - timedelta(seconds=chance.uniform(-20, age))) for age in ages]
    deliveries = [chance.sample(events, chance.choice([3, 40, 150])) for _ in range(30)]
    deliveries += [events[start : start + 100] for start in range(0, len(events), 100)]
    chance.shuffle(deliveries)

    async def feed(database: Database, mine: Sequence[list[bytes]]) -> None:
        for batch in mine:
            await record(database, *batch, peer="executor")

    await asyncio.gather(*(feed(replica, deliveries[number::3]) for number, replica in enumerate(replicas)))
    return replicas[0]


async def test_aggregated_metrics_equal_a_recount_of_the_raw_events_in_every_window(filled: Database) -> None:
    events = await raw_events(filled)
    assert len(events) > 800
    totals = []
    for minutes in WINDOWS:
        metrics = await organization_metrics(filled, minutes)
        assert metrics.window.start == NOW.replace(second=0) - timedelta(minutes=minutes)
        assert metrics.window.end == NOW
        inside = [one for one in events if metrics.window.start <= one[1] <= metrics.window.end]
        totals.append(len(inside))
        assert metrics.numbers == recount(inside)
        check_percentiles(metrics.numbers.from_approval, times_since("approved_at", inside))
        check_percentiles(metrics.numbers.from_submission, times_since("submitted_at", inside))
        sent = Counter(event.instance_id for event, _ in inside if event.type == event_pb2.EVENT_TYPE_MESSAGE_SENT)
        assert {share.instance_id: share.sent for share in metrics.shares if share.sent} == sent
        for instance_id in INSTANCES:
            await check_instance(filled, instance_id, minutes, inside)
        for campaign_id in ("black-friday", "welcome"):
            of_campaign = [one for one in inside if one[0].campaign_id == campaign_id]
            assert (await organization_metrics(filled, minutes, campaign_id)).numbers == recount(of_campaign)
    assert totals == sorted(set(totals))


async def check_instance(
    database: Database,
    instance_id: str,
    minutes: int,
    inside: Sequence[tuple[event_pb2.OperationalEvent, datetime]],
) -> None:
    """Compare one instance's numbers and its saturation."""
    own = [one for one in inside if one[0].instance_id == instance_id]
    metrics = await instance_metrics(database, instance_id, minutes)
    assert metrics.numbers == recount(own)
    ratio, used, limit = highest(own)
    if limit:
        assert metrics.saturation is not None
        assert (metrics.saturation.ratio, metrics.saturation.used, metrics.saturation.limit) == (ratio, used, limit)
    else:
        assert metrics.saturation is None


async def test_saturation_of_the_organization_adds_up_its_instances(filled: Database) -> None:
    metrics = await organization_metrics(filled, 60)
    peaks = [share.saturation for share in metrics.shares if share.saturation is not None]
    assert metrics.saturation is not None
    assert metrics.saturation.used == sum(peak.used for peak in peaks)
    assert metrics.saturation.max == sum(peak.max for peak in peaks)
    fullest = max(metrics.shares, key=lambda share: share.saturation.rank if share.saturation else (0.0, 0.0, ""))
    assert fullest.saturation is not None
    assert metrics.saturation.limit == fullest.saturation.limit


class OneMoment:
    """A database as it was at one moment, for readers that would each take a moment of their own."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        yield self._tx

    autocommit = snapshot


async def test_a_recount_agrees_at_every_moment_of_concurrent_ingest(databases: Databases) -> None:
    """Writers repeat each other's events in another order, late and early ones among them."""
    url = await databases.url("audit")
    chance = random.Random(3)
    events = [random_event(chance, NOW - timedelta(seconds=chance.uniform(-5, 5_000))) for _ in range(600)]

    async def feed(writer: Database) -> None:
        for start in chance.sample(range(0, 600, 30), 20):
            await record(writer, *chance.sample(events[start : start + 30], 30), peer="executor")

    feeding = asyncio.gather(*(feed(databases.connect(url, pool_size=1)) for _ in range(3)))
    reader = databases.connect(url)
    compared = set()
    while not feeding.done():
        async with reader.snapshot() as tx:
            moment: Any = OneMoment(tx)
            logged = await raw_events(moment)
            for minutes in (1, 60, 1_440):
                metrics = await organization_metrics(moment, minutes)
                inside = [one for one in logged if metrics.window.start <= one[1] <= metrics.window.end]
                assert metrics.numbers == recount(inside)
                await check_instance(moment, INSTANCES[0], minutes, inside)
        compared.add(len(logged))
    await feeding
    assert len(compared) > 5
    assert len(await raw_events(reader)) > 400


async def test_an_instance_without_events_has_zeros(databases: Databases) -> None:
    metrics = await instance_metrics(await databases.database("audit"), "nobody", 60)
    assert set(metrics.numbers.volume.values()) == {0}
    assert metrics.saturation is None
    assert metrics.numbers.from_approval == Durations()


async def test_backlog_is_the_newest_measurement_of_each_service_while_it_holds(databases: Databases) -> None:
    database = await databases.database("audit")

    def measured(producer: str, waiting: int, ago: timedelta) -> bytes:
        return message(
            "BACKLOG_MEASURED",
            at=NOW - ago,
            producer=producer,
            aggregate_type=event_pb2.AGGREGATE_TYPE_ORGANIZATION,
            aggregate_id="acme",
            sequence=0,
            backlog=event_pb2.BacklogDetail(waiting=waiting, oldest=stamp(NOW - ago - timedelta(seconds=30))),
        ).SerializeToString()

    await record(
        database,
        measured("gate", 5, timedelta(seconds=2)),
        measured("gate", 9, timedelta(seconds=12)),
        measured("executor", 1, timedelta(seconds=31)),
    )
    metrics = await organization_metrics(database, 60)
    (backlog,) = metrics.backlogs
    assert (backlog.producer, backlog.waiting, backlog.oldest_age) == ("gate", 5, timedelta(seconds=30))
    assert metrics.shares == ()


async def test_each_event_type_counts_once_an_event_and_failed_is_final(databases: Databases) -> None:
    database = await databases.database("audit")
    intent_id = str(uuid7())
    await record(
        database,
        about(intent_id, 1, "MESSAGE_RETRY_SCHEDULED", reason="RATE_LIMITED"),
        about(intent_id, 2, "MESSAGE_SENT"),
        about(intent_id, 3, "MESSAGE_FAILED", reason="UNDELIVERABLE"),
    )
    volume = (await organization_metrics(database, 1)).numbers.volume
    assert (
        volume[EventType.MESSAGE_SENT],
        volume[EventType.MESSAGE_FAILED],
        volume[EventType.MESSAGE_RETRY_SCHEDULED],
    ) == (1, 1, 1)
