"""Aggregated metrics equal a recount of the raw events, by window and by instance, whatever order events came in."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from tests.postgres import Databases
from tests.stores.audit.facts import NOW, StillClock, about, message, record, stamp
from tests.stores.audit.recounting import (
    INSTANCES,
    check_percentiles,
    highest,
    random_event,
    raw_events,
    recount,
    times_since,
)

from audit.application.measure import measure_instance, measure_organization
from audit.domain.durations import Durations
from audit.domain.event import EventType
from audit.domain.metrics import InstanceMetrics, OrganizationMetrics
from audit.infrastructure.postgres_log import PostgresEventLog
from audit.infrastructure.postgres_sums import PostgresSums
from chassis.database import Database, Query, Transaction
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2

COUNTED = Query.of("counted", "SELECT minutes FROM counted_event")
WINDOWS = [1, 5, 17, 37, 60, 133, 1_440, 44_640]


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


async def test_aggregated_metrics_equal_a_recount_of_the_raw_events_in_every_window(filled: Database) -> None:
    events = await raw_events(filled)
    assert len(events) > 800
    async with filled.autocommit() as tx:
        assert {bool(row.minutes) for row in await tx.fetch(COUNTED)} == {True, False}  # in sums, and not yet
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
    """Writers repeat each other's events in another order, late and early ones among them; half of all commits fold."""
    url = await databases.url("audit")
    chance = random.Random(3)
    events = [random_event(chance, NOW - timedelta(seconds=chance.uniform(-5, 5_000))) for _ in range(600)]

    async def feed(writer: Database) -> None:
        log = PostgresEventLog(writer)
        for start in chance.sample(range(0, 600, 30), 20):
            sample = chance.sample(events[start : start + 30], 30)
            await record(writer, *sample, peer="executor", log=log if start % 60 else None)

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
