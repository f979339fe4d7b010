"""Cooldowns on PostgreSQL: what starts one, how they grow, and that each ends once, whoever ends it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.database import Database
from chassis.outbox import Outbox, Receiver, Refusal
from gate.application.changes import InstanceRecord
from gate.application.cooldowns import CooledDown, end_cooldowns, end_cooldowns_until
from gate.application.signals import Signal, take_signals
from gate.domain.reputation import SignalKind
from gate.infrastructure.handover import AUDIT, Handover
from gate.infrastructure.postgres import PostgresStore
from gate.infrastructure.sealing import Vault
from gate.infrastructure.waiting import PostgresWaiting
from kernel.clock import SystemClock
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2

ORGANIZATION, INSTANCE = "demo", "inst-1"
STARTED = event_pb2.EVENT_TYPE_INSTANCE_COOLDOWN_STARTED
ENDED = event_pb2.EVENT_TYPE_INSTANCE_COOLDOWN_ENDED


@dataclass
class MovedClock(SystemClock):
    """The wall clock, as far ahead as a test moves it."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass
class Replica:
    """One gate's store and clock, with the events that it told."""

    database: Database
    clock: MovedClock = field(default_factory=MovedClock)
    events: list[event_pb2.OperationalEvent] = field(default_factory=list)
    woken: int = 0

    def __post_init__(self) -> None:
        self.awake = asyncio.Event()
        self.outbox = Outbox(self.database, [Receiver(name=AUDIT, deliver=self._record, split=lambda payload: [])])
        handover = Handover(vault=Vault(b"1" * 32))
        self.store = PostgresStore(database=self.database, outbox=self.outbox, handover=handover, clock=self.clock)
        self.waiting = PostgresWaiting(database=self.database)

    async def _record(self, payload: bytes) -> Sequence[Refusal]:
        request = event_pb2.RecordEventsRequest.FromString(payload)
        self.events.extend(map(event_pb2.OperationalEvent.FromString, request.events))
        return []

    def wake(self, due_at: datetime | None) -> None:
        self.woken += 1
        self.awake.set()

    async def register(self) -> None:
        async with self.store.work() as tx:
            await tx.lock([ORGANIZATION])
            await tx.instances.insert(
                ORGANIZATION,
                InstanceRecord(
                    instance_id=INSTANCE,
                    display_name="",
                    provider="whatsapp_cloud",
                    provider_account="1",
                    connected=True,
                    version=1,
                    created_at=self.clock.now(),
                    cooldown=None,
                ),
            )

    async def report(self, kind: SignalKind, count: int = 1, *, at: datetime | None = None) -> None:
        signal = Signal(
            organization_id=ORGANIZATION,
            signal_id=str(uuid7()),
            instance_id=INSTANCE,
            kind=kind,
            count=count,
            code="",
            intent_id=None,
            occurred_at=at or self.clock.now(),
            source="provider",
        )

        async def settle(organization_id: str | None) -> bool:
            return True

        await take_signals([signal], works=self.store, settle=settle, clock=self.clock, wake=self.wake)

    async def record(self) -> InstanceRecord:
        async with self.store.work() as tx:
            found = await tx.instances.find(ORGANIZATION, INSTANCE)
        assert found is not None
        return found

    async def cooldown(self) -> tuple[str, int, timedelta] | None:
        """Return reason, level and length."""
        found = (await self.record()).cooldown
        return (found.reason, found.level, found.end_time - found.start_time) if found is not None else None

    async def end_over(self) -> None:
        """End what is over by the moved clock, as the loop does by the database's."""
        record = await self.record()
        assert record.cooldown is not None
        over = CooledDown(organization_id=ORGANIZATION, instance_id=INSTANCE, end_time=record.cooldown.end_time)
        await end_cooldowns(cooling=Over([over]), works=self.store, wake=self.wake)

    async def told(self) -> list[tuple[int, int]]:
        """Return the events of cooldowns by type and level."""
        assert await self.outbox.flush()
        return [(event.type, event.cooldown.level) for event in self.events]


@dataclass
class Over:
    """Says what is over."""

    over: Sequence[CooledDown]

    async def cooled_down(self) -> Sequence[CooledDown]:
        return self.over

    async def next_end(self) -> float:
        return float("inf")


@pytest.fixture
async def replica(service_database: Any) -> Replica:
    replica = Replica(await service_database("gate"))
    await replica.register()
    return replica


@pytest.mark.parametrize(
    ("sends", "failures", "starts"),
    [
        pytest.param(8, 2, False, id="two failures in ten sends"),
        pytest.param(0, 10, False, id="ten of ten are too few sends"),
        pytest.param(181, 19, False, id="too few failures"),
        pytest.param(175, 25, False, id="over the share by chance"),
        pytest.param(160, 40, True, id="a clear share"),
    ],
)
async def test_a_failure_share_starts_a_cooldown_only_when_it_is_clear(
    replica: Replica, sends: int, failures: int, starts: bool
) -> None:
    if sends:
        await replica.report(SignalKind.SENT, sends)
    await replica.report(SignalKind.FAILED, failures)
    assert await replica.cooldown() == (("FAILURE_SHARE", 1, timedelta(minutes=30)) if starts else None)


async def test_the_order_in_which_sends_and_failures_are_told_is_no_matter(replica: Replica) -> None:
    await replica.report(SignalKind.FAILED, 40)
    assert await replica.cooldown() is None
    await replica.report(SignalKind.SENT, 160)
    assert await replica.cooldown() == ("FAILURE_SHARE", 1, timedelta(minutes=30))


async def test_what_failed_more_than_an_hour_ago_does_not_count(replica: Replica) -> None:
    await replica.report(SignalKind.FAILED, 40, at=replica.clock.now() - timedelta(minutes=62))
    await replica.report(SignalKind.SENT, 160)
    assert await replica.cooldown() is None


async def test_a_spam_limit_starts_one_at_once_and_a_second_does_not_stack(replica: Replica) -> None:
    await replica.report(SignalKind.SPAM_LIMIT)
    before = (await replica.record()).cooldown
    replica.clock.ahead = timedelta(minutes=5)
    await replica.report(SignalKind.SPAM_LIMIT)
    await replica.report(SignalKind.FAILED, 1_000)
    assert (await replica.record()).cooldown == before
    assert await replica.told() == [(STARTED, 1)]


async def test_cooldowns_grow_within_seven_days_and_begin_anew_after(replica: Replica) -> None:
    lengths = []
    for day in range(5):
        replica.clock.ahead = timedelta(days=day * 1.2)
        await replica.report(SignalKind.SPAM_LIMIT)
        found = await replica.cooldown()
        assert found is not None
        lengths.append(found[2])
        await replica.end_over()
    assert lengths == [timedelta(minutes=30), *(timedelta(hours=hours) for hours in (2, 12, 24, 24))]
    replica.clock.ahead = timedelta(days=12)
    await replica.report(SignalKind.SPAM_LIMIT)
    assert await replica.cooldown() == ("SPAM_LIMIT", 1, timedelta(minutes=30))


async def test_one_that_is_over_ends_before_the_next_starts_even_if_no_loop_came_by(replica: Replica) -> None:
    await replica.report(SignalKind.SPAM_LIMIT)
    first = (await replica.record()).cooldown
    assert first is not None
    replica.clock.ahead = timedelta(minutes=31)
    await replica.report(SignalKind.SPAM_LIMIT)
    assert await replica.told() == [(STARTED, 1), (ENDED, 1), (STARTED, 2)]
    started, ended, _ = replica.events
    assert started.cooldown.start_time == ended.cooldown.start_time
    assert ended.occurred_at == started.cooldown.end_time == ended.cooldown.end_time


async def test_ending_rearms_the_windows(replica: Replica) -> None:
    await replica.report(SignalKind.SENT, 160)
    await replica.report(SignalKind.FAILED, 40)
    began = replica.clock.now()
    replica.clock.ahead = timedelta(minutes=30, seconds=1)
    await replica.end_over()
    await replica.report(SignalKind.FAILED, 1)
    await replica.report(SignalKind.SPAM_LIMIT, at=began + timedelta(minutes=10))
    assert await replica.cooldown() is None
    replica.clock.ahead = timedelta(minutes=32)
    await replica.report(SignalKind.SENT, 160)
    await replica.report(SignalKind.FAILED, 40)
    assert await replica.cooldown() == ("FAILURE_SHARE", 2, timedelta(hours=2))


async def test_of_several_replicas_one_ends_it_with_one_event(databases: Any) -> None:
    url = await databases.url("gate")
    replicas = [Replica(databases.connect(url)) for _ in range(3)]
    await replicas[0].register()
    for replica in replicas:
        replica.clock.ahead = timedelta(hours=-1)
    await replicas[0].report(SignalKind.SPAM_LIMIT)
    await asyncio.gather(
        *(
            end_cooldowns(cooling=replica.waiting, works=replica.store, wake=replica.wake)
            for replica in replicas
            for _ in range(2)
        )
    )
    told = [event for replica in replicas for event in await replica.told()]
    assert sorted(told) == [(STARTED, 1), (ENDED, 1)]
    assert sum(replica.woken for replica in replicas) == 1


async def test_one_that_was_ended_and_started_again_meanwhile_is_left_alone(replica: Replica) -> None:
    await replica.report(SignalKind.SPAM_LIMIT)
    stale = CooledDown(organization_id=ORGANIZATION, instance_id=INSTANCE, end_time=datetime.now(UTC))
    await end_cooldowns(cooling=Over([stale]), works=replica.store, wake=replica.wake)
    assert await replica.told() == [(STARTED, 1)]
    assert await replica.cooldown() is not None


async def test_the_loop_ends_it_when_it_is_due_by_the_databases_clock(replica: Replica) -> None:
    replica.clock.ahead = timedelta(seconds=1.5) - timedelta(minutes=30)
    await replica.report(SignalKind.SPAM_LIMIT)
    found = (await replica.record()).cooldown
    assert found is not None
    replica.clock.ahead = timedelta(minutes=-5)
    stop = asyncio.Event()
    loop = asyncio.create_task(
        end_cooldowns_until(stop, cooling=replica.waiting, works=replica.store, wake=replica.wake)
    )
    async with asyncio.timeout(10):
        await replica.awake.wait()
    late = datetime.now(UTC) - found.end_time
    stop.set()
    await loop
    assert timedelta() <= late < timedelta(seconds=0.9)
    assert await replica.told() == [(STARTED, 1), (ENDED, 1)]
    assert await replica.waiting.next_end() == float("inf")
