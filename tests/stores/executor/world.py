"""An executor's loops on a real database, with control, provider and receivers in the test's hands."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from chassis.database import Database, Query
from chassis.outbox import Outbox, Receiver, Refusal
from executor.application.accept import accept_jobs
from executor.application.dispatch import Dispatch
from executor.application.outcomes import Outcomes
from executor.application.ports import Allowed, Answer, Answers, Provider
from executor.application.rounds import Limits
from executor.application.sending import Sender
from executor.application.session import Session
from executor.application.signals import Wake
from executor.application.upkeep import keep_up
from executor.domain.job import Lane, Message, NewJob, Scope, Template
from executor.domain.outcome import Outcome, Sent
from executor.domain.pauses import KnownPauses
from executor.domain.revocations import Revocations
from executor.domain.settling import RetryPolicy
from executor.infrastructure.ledger import AUDIT, GATE_RETURNS, GATE_SIGNALS
from executor.infrastructure.postgres import PostgresQueue
from executor.infrastructure.postgres_arrivals import PostgresArrivals
from kernel.clock import SystemClock
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import gate_pb2, signal_pb2

ORGANIZATION, INSTANCE, CAMPAIGN = "demo", "inst-1", "welcome"
LANE = Lane(
    organization_id=ORGANIZATION,
    instance_id=INSTANCE,
    version=1,
    provider="fake",
    provider_account="100001",
    gap=0.0,
    burst=1,
)


def new_job(**values: Any) -> NewJob:
    """An approved intent, good for ten minutes."""
    now = datetime.now(UTC)
    job = NewJob(
        organization_id=ORGANIZATION,
        intent_id=uuid7(),
        decision_number=1,
        sequence=3,
        instance_id=INSTANCE,
        campaign_id=CAMPAIGN,
        category="MARKETING",
        recipient="+5511987654321",
        recipient_id="r-1",
        content=Template(name="welcome", language="pt_BR", parameters=("Ana",)),
        submitted_at=now - timedelta(seconds=1),
        approved_at=now,
        approved_until=now + timedelta(minutes=10),
        expire_time=now + timedelta(days=7),
        not_before=None,
        retry_unknown=False,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return replace(job, **values)


class FakeControl:
    """Answers as told; every question is kept with the time it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Scope], Answer] = lambda scope: Allowed(rate_factor=1.0, control_version=7)
        self.failure: Exception | None = None
        self.ttl = 0.5
        self.asked: list[tuple[Scope, ...]] = []
        self.before: Callable[[], Any] | None = None

    async def check(self, scopes: Sequence[Scope], *, session_id: UUID) -> Answers:
        self.asked.append(tuple(scopes))
        if self.before is not None:
            await self.before()
        if self.failure is not None:
            raise self.failure
        return Answers(answers=tuple(map(self.answer, scopes)), ttl=self.ttl, platform_version=4)


class RegisteredSessions:
    """Control's side of sessions, where it is not what the test is about."""

    async def register(self, session_id: UUID, executor: str) -> None:
        return

    async def acknowledge(self, session_id: UUID, control_ids: Sequence[UUID]) -> None:
        return

    async def end(self, session_id: UUID) -> None:
        return


class FakeProvider:
    """Answers from a script by intent, else yes; keeps what it was asked to send, and when it began."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.sent: list[tuple[str, float]] = []
        self.outcomes: dict[UUID, list[Outcome]] = {}
        self.answer: Callable[[Message], Outcome] = lambda message: Sent(provider_message_id=f"w.{message.attempt_id}")
        self.gate: asyncio.Event | None = None
        self.began = asyncio.Event()

    async def send(self, message: Message, begin: Callable[[], None]) -> Outcome:
        begin()
        self.sent.append((message.attempt_id, self.clock.boottime()))
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        script = self.outcomes.get(UUID(message.attempt_id.partition(".")[0]))
        return script.pop(0) if script else self.answer(message)

    async def health(self) -> bool:
        return True


@dataclass
class Told:
    """What the receivers were told."""

    events: list[event_pb2.OperationalEvent] = field(default_factory=list)
    returns: list[gate_pb2.ReturnedIntent] = field(default_factory=list)
    signals: list[signal_pb2.Signal] = field(default_factory=list)

    def receivers(self) -> list[Receiver]:
        async def audit(payload: bytes) -> Sequence[Refusal]:
            batch = event_pb2.RecordEventsRequest.FromString(payload).events
            self.events.extend(event_pb2.OperationalEvent.FromString(event) for event in batch)
            return ()

        async def returns(payload: bytes) -> Sequence[Refusal]:
            self.returns.extend(gate_pb2.ReturnIntentsRequest.FromString(payload).intents)
            return ()

        async def signals(payload: bytes) -> Sequence[Refusal]:
            self.signals.extend(signal_pb2.ReportSignalsRequest.FromString(payload).signals)
            return ()

        bound = ((AUDIT, audit), (GATE_RETURNS, returns), (GATE_SIGNALS, signals))
        return [Receiver(name=name, deliver=deliver, split=lambda p: [("all", p)]) for name, deliver in bound]

    def types(self, intent_id: UUID) -> list[str]:
        """The types of an intent's events, in its order."""
        mine = [event for event in self.events if event.aggregate_id == str(intent_id)]
        mine.sort(key=lambda event: event.sequence)
        return [event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_MESSAGE_") for event in mine]

    def of(self, intent_id: UUID) -> list[event_pb2.OperationalEvent]:
        """An intent's events, in its order."""
        mine = [event for event in self.events if event.aggregate_id == str(intent_id)]
        return sorted(mine, key=lambda event: event.sequence)


@dataclass
class World:
    """One executor process's worth of loops; several may share a database."""

    database: Database
    outbox: Outbox
    queue: PostgresQueue
    arrivals: PostgresArrivals
    told: Told
    control: FakeControl
    provider: FakeProvider
    pauses: KnownPauses
    revocations: Revocations
    session: Session
    outcomes: Outcomes
    dispatch: Dispatch
    upkeep_wake: Wake
    policy: RetryPolicy
    clock: SystemClock

    @classmethod
    def on(
        cls,
        database: Database,
        *,
        control: FakeControl | None = None,
        provider: Provider | None = None,
        limits: Limits | None = None,
        policy: RetryPolicy | None = None,
        capacity: int = 512,
    ) -> "World":
        told, clock, pauses = Told(), SystemClock(), KnownPauses()
        outbox = Outbox(database, told.receivers())
        queue = PostgresQueue(database, outbox)
        control = control or FakeControl()
        fake = provider or FakeProvider()
        policy = policy or RetryPolicy()
        outcomes = Outcomes(begin=queue.begin, capacity=capacity)
        revocations = Revocations()
        session = Session(
            control=RegisteredSessions(), executor="executor-1", new_id=uuid7, registered=outcomes.room_made.ring
        )
        session.session_id = uuid7()
        dispatch = Dispatch(
            queue=queue,
            begin=queue.begin,
            control=control,
            sender=Sender(
                providers={"fake": fake}, revocations=revocations, policy=policy, clock=clock, chance=random.random
            ),
            outcomes=outcomes,
            session=session,
            pauses=pauses,
            revocations=revocations,
            clock=clock,
            new_token=uuid7,
            limits=limits or Limits(),
        )
        return cls(
            database=database,
            outbox=outbox,
            queue=queue,
            arrivals=PostgresArrivals(database, outbox),
            told=told,
            control=control,
            provider=fake,  # type: ignore[arg-type]
            pauses=pauses,
            revocations=revocations,
            session=session,
            outcomes=outcomes,
            dispatch=dispatch,
            upkeep_wake=Wake(),
            policy=policy,
            clock=clock,
        )

    async def accept(self, *jobs: NewJob, lanes: Sequence[Lane] = (LANE,)) -> int:
        """Hand jobs over, as the gate does."""
        return await accept_jobs(
            lanes, jobs, arrivals=self.arrivals, dispatch=self.dispatch.wake, upkeep=self.upkeep_wake, clock=self.clock
        )

    @asynccontextmanager
    async def running(self, *, upkeep: bool = False) -> AsyncIterator[None]:
        """Run the loops while the block runs, then stop them in order."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            relay_stop = asyncio.Event()
            relay = group.create_task(self.outbox.run(relay_stop))
            loops = [group.create_task(self.dispatch.run(stop)), group.create_task(self.outcomes.run(stop))]
            if upkeep:
                loops.append(group.create_task(self.keep_up(stop)))
            try:
                yield
            finally:
                stop.set()
                await asyncio.wait(loops)
                relay_stop.set()
                await relay

    async def keep_up(self, stop: asyncio.Event) -> None:
        await keep_up(
            stop,
            begin=self.queue.begin,
            policy=self.policy,
            clock=self.clock,
            chance=random.random,
            measure=partial(_nothing),
            wake=self.upkeep_wake,
        )

    async def sql(self, statement: str, **params: object) -> Sequence[Any]:
        """Run a statement and return its rows, if it has any."""
        async with self.database.transaction() as tx:
            query = Query.of("test", statement)
            if statement.lstrip().upper().startswith("SELECT") or "RETURNING" in statement:
                return await tx.fetch(query, **params)
            await tx.execute(query, **params)
            return ()

    async def states(self) -> dict[UUID, str]:
        return {row.intent_id: row.state for row in await self.sql("SELECT intent_id, state FROM job")}

    async def state(self, job: NewJob) -> str:
        return (await self.states())[job.intent_id]


async def _nothing() -> None:
    return


async def until(condition: Callable[[], Any], *, seconds: float = 10.0) -> None:
    """Poll until `condition` (may be a coroutine function) holds; fail after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("did not happen in time")
        await asyncio.sleep(0.01)
