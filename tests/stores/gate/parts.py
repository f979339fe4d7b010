"""One gate without its edges, on a real database: the use cases, a clock that stands still and neighbours in memory."""

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.database import Database, Query
from chassis.outbox import Outbox, Receiver, Refusal
from gate.application.changes import InstanceRecord, Mutation
from gate.application.evaluate import evaluate
from gate.application.instances import create_instance
from gate.application.messages import NewIntent, Recorded, Submission, Submitted
from gate.application.paused_scopes import LivePause, PausedScopes, PauseScope
from gate.application.policies import update_policy
from gate.application.release import Released, release_due
from gate.application.submit import Result, submit
from gate.application.unpark import Unpark
from gate.domain.facts import Controls, Pause, Scope
from gate.domain.policy import Policy
from gate.domain.recipient import SAO_PAULO
from gate.domain.words import Category
from gate.infrastructure.handover import Handover
from gate.infrastructure.postgres import PostgresStore
from gate.infrastructure.sealing import Vault
from gate.infrastructure.waiting import PostgresWaiting
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2

VAULT = Vault(b"k" * 32)
START = datetime(2026, 11, 23, 14, 10, tzinfo=UTC)


@dataclass
class StandingClock:
    """A clock that is moved by hand."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def boottime(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Kill:
    """The kill switch: pauses by scope."""

    pauses: dict[Scope, Pause] = field(default_factory=dict)
    shares: dict[Scope, float] = field(default_factory=dict)
    away: bool = False

    async def check(self, scopes: Iterable[Scope]) -> Controls:
        asked = frozenset(scopes)
        if self.away:
            return Controls()
        live = {scope: pause for scope, pause in self.pauses.items() if scope in asked}
        slow = {scope: share for scope, share in self.shares.items() if scope in asked}
        versions = {scope.organization_id: 1 for scope in asked}
        return Controls(asked=asked, pauses=live, shares=slow, versions=versions)


@dataclass
class Told:
    """What left for executor and audit."""

    jobs: list[executor_pb2.ApprovedIntent] = field(default_factory=list)
    events: list[event_pb2.OperationalEvent] = field(default_factory=list)

    async def accept(self, payload: bytes) -> Sequence[Refusal]:
        self.jobs.extend(executor_pb2.AcceptJobsRequest.FromString(payload).jobs)
        return []

    async def record(self, payload: bytes) -> Sequence[Refusal]:
        events = event_pb2.RecordEventsRequest.FromString(payload).events
        self.events.extend(event_pb2.OperationalEvent.FromString(event) for event in events)
        return []

    async def ignore(self, payload: bytes) -> Sequence[Refusal]:
        return []


_numbers = itertools.count(1)


def new_intent(organization_id: str = "demo", **values: Any) -> NewIntent:
    """Return a valid item for a new recipient."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "request_id": f"r-{number}",
        "campaign_id": "welcome",
        "instance_id": "inst-1",
        "category": Category.UTILITY,
        "utc_offset": SAO_PAULO,
        "reference": "",
        "hold_if_paused": False,
        "expire_time": None,
        "number_hash": VAULT.hash_number(organization_id, str(number)),
        "content_digest": VAULT.hash_content(b"welcome", b"template"),
        "content_hash": VAULT.hash_content(str(number).encode()),
        "sealed": VAULT.seal(organization_id, b""),
    }
    return NewIntent(**{**given, **values})


@dataclass
class Part:
    """One replica of the gate."""

    database: Database
    store: PostgresStore
    waiting: PostgresWaiting
    kill: Kill
    clock: StandingClock
    told: Told
    outbox: Outbox
    paused: PausedScopes = field(default_factory=PausedScopes)

    def __post_init__(self) -> None:
        self.unpark = Unpark(control=self.kill, store=self.store, parked=self.waiting, clock=self.clock)

    async def provision(self, policy: Policy, *instances: str, organization_id: str = "demo") -> None:
        await self.put_policy(policy, organization_id=organization_id)
        for instance_id in instances:
            record = InstanceRecord(
                instance_id=instance_id,
                display_name="",
                provider="whatsapp_cloud",
                provider_account="1",
                connected=True,
                version=1,
                created_at=self.clock.now(),
                cooldown=None,
            )
            await create_instance(
                self._mutation(organization_id), record, works=self.store, wake=_wake, encode=lambda _: b""
            )

    async def put_policy(self, policy: Policy, *, organization_id: str = "demo") -> None:
        await update_policy(
            self._mutation(organization_id),
            policy,
            "",
            validate_only=False,
            works=self.store,
            clock=self.clock,
            wake=_wake,
            encode=lambda _: b"",
        )

    def _mutation(self, organization_id: str) -> Mutation:
        return Mutation(
            organization_id=organization_id,
            subject="tester",
            method="Change",
            request_id=f"m-{next(_numbers)}",
            content_hash=b"",
        )

    async def submit(self, *intents: NewIntent, organization_id: str = "demo") -> list[Result]:
        submission = Submission(organization_id=organization_id, subject="tester", traceparent="", intents=intents)
        return (await self.submit_all([submission]))[0]

    async def submit_all(self, submissions: Sequence[Submission]) -> list[list[Result]]:
        return await submit(
            submissions,
            control=self.kill,
            store=self.store,
            clock=self.clock,
            wake=_wake,
            count=lambda verdicts: None,
        )

    async def evaluate(self, intent: NewIntent, organization_id: str = "demo") -> Recorded:
        submission = Submission(organization_id=organization_id, subject="tester", traceparent="", intents=[intent])
        return await evaluate(submission, control=self.kill, store=self.store, clock=self.clock)

    async def release(self, after: str = "") -> Released:
        return await release_due(
            after,
            control=self.kill,
            store=self.store,
            waiting=self.waiting,
            paused=self.paused,
            clock=self.clock,
            count=lambda verdicts: None,
        )

    def pause(self, campaign_id: str, organization_id: str = "demo") -> None:
        """Pause a campaign, and have the watch tell of it."""
        pause = Pause(until=None, note="stop")
        self.kill.pauses[Scope(organization_id, "", campaign_id)] = pause
        live = LivePause(scope=PauseScope.CAMPAIGN, organization_id=organization_id, target=campaign_id, pause=pause)
        self.paused.begin(campaign_id, live)

    def resume(self, campaign_id: str, organization_id: str = "demo", *, share: float = 1.0) -> None:
        """Lift it again; the campaign goes on with that share of its pace."""
        scope = Scope(organization_id, "", campaign_id)
        del self.kill.pauses[scope]
        if share < 1:
            self.kill.shares[scope] = share
        self.paused.end(campaign_id)

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.autocommit() as tx:
            return [tuple(row) for row in await tx.fetch(Query.of("test", statement))]

    async def flush(self) -> None:
        assert await self.outbox.flush(timedelta(seconds=10))


def _wake(due_at: datetime | None) -> None:
    """Nobody sleeps here."""


def accepted(results: Sequence[Result]) -> list[Submitted]:
    """Return results that are all accepted intents."""
    assert all(isinstance(result, Submitted) for result in results)
    return [result for result in results if isinstance(result, Submitted)]


def part(database: Database, *, kill: Kill | None = None, clock: StandingClock | None = None) -> Part:
    """Build a replica on a database."""
    clock, told = clock or StandingClock(), Told()
    receivers = [
        Receiver(name=name, deliver=deliver, split=lambda payload: [("", payload)], max_items=5000)
        for name, deliver in (("executor", told.accept), ("audit", told.record), ("control", told.ignore))
    ]
    outbox = Outbox(database, receivers)
    store = PostgresStore(database=database, outbox=outbox, handover=Handover(vault=VAULT), clock=clock)
    return Part(
        database=database,
        store=store,
        waiting=PostgresWaiting(database=database),
        kill=kill or Kill(),
        clock=clock,
        told=told,
        outbox=outbox,
    )


__all__ = ["Kill", "Part", "StandingClock", "accepted", "new_intent", "part"]
