"""A whole world of one seed: stores, network, processes, load, operators and faults. Judges nothing."""

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any
from unittest import mock
from uuid import UUID

import structlog
from tests.simulation.checker import Checker, Findings, Trace, covers
from tests.simulation.clock import EPOCH, SimulatedClock
from tests.simulation.control_process import ControlParts, ControlProcess
from tests.simulation.database import Primary
from tests.simulation.executor_process import ExecutorParts, ExecutorProcess
from tests.simulation.executor_store import LaneRow, Store, Waiting
from tests.simulation.faults import Faults
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.network import Network
from tests.simulation.operators import Operator, Target
from tests.simulation.server import Server
from tests.simulation.session_table import SessionTable

from control.domain.pause import Order
from control.domain.pause import Scope as Reach
from executor.domain.job import Job, Message, Scope
from executor.domain.outcome import DEFAULT_BACKOFF, Outcome, Retryable, Sent, Unknown
from executor.domain.words import JobState

EXECUTORS, CONTROLS = 3, 2
GAP = 1 / 50
BACKLOG = 20
REFILL_SECONDS = 0.25
SCOPES = (
    Scope("acme", "north", "welcome"),
    Scope("acme", "north", "renewal"),
    Scope("acme", "south", "welcome"),
    Scope("acme", "south", "renewal"),
    Scope("bravo", "east", "autumn"),
    Scope("bravo", "west", "winter"),
    Scope("delta", "centre", "spring"),  # paused with the platform only: what others' pauses must not touch
)
OPERATORS = (
    (
        Target(organization_id="acme", scope=Reach.CAMPAIGN, target="welcome"),
        Target(organization_id="acme", scope=Reach.INSTANCE, target="north"),
    ),
    (
        Target(organization_id="bravo", scope=Reach.ORGANIZATION),
        Target(organization_id="bravo", scope=Reach.INSTANCE, target="east"),
    ),
    (
        Target(organization_id="bravo", scope=Reach.CAMPAIGN, target="winter"),
        Target(organization_id="acme", scope=Reach.ORGANIZATION),
        Target(organization_id="acme", scope=Reach.PLATFORM),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a world is made of where a mutant may put something else; `patches` are names in modules."""

    control: ControlParts = field(default_factory=ControlParts)
    executor: ExecutorParts = field(default_factory=ExecutorParts)
    sessions: type[SessionTable] = SessionTable
    patches: tuple[tuple[Any, str, Any], ...] = ()


@dataclass(slots=True, kw_only=True)
class Run:
    """What one seed came to."""

    seed: int
    digest: str
    findings: Findings
    faults: dict[str, int]
    turns: int
    errors: list[str] = field(default_factory=list)
    lines: list[str] | None = None


class StubProvider:
    """Takes a while to connect, begins, takes a while to answer; now and then it refuses or says nothing."""

    def __init__(self, world: "World", executor: Process, clock: SimulatedClock) -> None:
        self._world = world
        self._executor = executor
        self._clock = clock

    async def send(self, message: Message, begin: Callable[[], None]) -> Outcome:
        random = self._world.random
        if random.random() < 0.3:  # a new connection
            slow = random.random() < 0.6
            await self._clock.sleep(random.uniform(0.05, 0.45) if slow else random.expovariate(1 / 0.005))
        intent, _, _ = message.attempt_id.partition(".")
        begin()
        self._world.checker.began(self._executor.name, intent, message.attempt_id, self._world.scope_of[intent])
        await self._clock.sleep(random.expovariate(1 / 0.03))
        chance = random.random()
        if chance < 0.02:
            self._world.checker.refused(intent)
            return Retryable(reason="BUSY", backoff=DEFAULT_BACKOFF)
        return Unknown(reason="SILENCE") if chance < 0.03 else Sent(provider_message_id=message.attempt_id)

    async def health(self) -> bool:
        return True


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, parts: Parts, *, keep_trace: bool = False) -> None:
        self.random = Random(seed)
        self.loop = VirtualLoop(Random(self.random.random()))
        self.trace = Trace(keep=keep_trace)
        self.checker = Checker(now=self.loop.time, waits=self._waits, trace=self.trace)
        self.network = Network(self.loop, Random(self.random.random()))
        self.clocks: list[SimulatedClock] = []
        database_clock = self._clock()
        self.primary = Primary(self._server("primary"), database_clock, self.loop.time)
        self.primary.committed = self.checker.committed
        self.primary.notify = self._notify
        self.sessions = parts.sessions(self.primary, self.network)
        self.primary.live_sessions = self.sessions.live
        self.primary.all_obey = self.sessions.all_obey
        self.store = Store(self._server("store"), self.loop.time)
        self.scope_of: dict[str, Scope] = {}
        self.muted: dict[Process, None] = {}
        self.faults = Faults(self)
        self._parts = parts
        self._numbers = 0
        self._processes: list[Process] = [self.loop.world]
        self._jobs = 0
        self.controls: list[ControlProcess] = []
        self.executors: list[ExecutorProcess] = []
        self.control_lives: dict[str, list[float]] = {}
        self._populate()

    def start_control(self, place: int) -> None:
        """Start a control anew, as another process with another clock."""
        clock = self._clock()
        process = self._process(f"control-{place}", clock)
        made = process.context.run(
            partial(
                ControlProcess,
                process,
                primary=self.primary,
                sessions=self.sessions,
                clock=clock,
                new_id=self._new_id,
                parts=self._parts.control,
            )
        )
        self.control_lives[process.name] = [self.loop.time(), float("inf")]
        self.controls[place : place + 1] = [made]

    def start_executor(self, place: int) -> None:
        """Start an executor anew."""
        clock = self._clock()
        process = self._process(f"executor-{place}", clock)
        random = Random(self.random.random())
        made = process.context.run(
            partial(
                ExecutorProcess,
                process,
                store=self.store,
                control=self._parts.executor.link(self.network, self.controls),
                provider=StubProvider(self, process, clock),
                clock=clock,
                random=random,
                new_id=self._new_id,
                parts=self._parts.executor,
            )
        )
        self.executors[place : place + 1] = [made]

    def kill(self, process: Process) -> None:
        """End a process without a last word, and let its peers see its connections closed."""
        process.kill()
        if process.name in self.control_lives:
            self.control_lives[process.name][1] = self.loop.time()
        self.network.killed(process)
        self.primary.server.disconnect(process)
        self.store.server.disconnect(process)

    def run(self, seconds: float) -> None:
        """Let `seconds` pass."""
        world = self.loop.world
        for place in range(CONTROLS):
            self.start_control(place)
        for place in range(EXECUTORS):
            self.start_executor(place)
        world.start(self._refill(), "load")
        world.start(self.faults.run(), "faults")
        for place, targets in enumerate(OPERATORS):
            process = self._process(f"operator-{place}")
            operator = Operator(
                process.name,
                targets,
                network=self.network,
                controls=self.controls,
                database_clock=self.primary.clock,
                checker=self.checker,
                random=Random(self.random.random()),
            )
            process.start(operator.run(), "operator")
        self.loop.run_until(seconds)

    def died(self) -> list[str]:
        """Return what the tasks of any process died of, which none should."""
        tasks = [task for process in self._processes for task in process.tasks if task.done() and not task.cancelled()]
        return [f"{task.get_name()}: {task.exception()!r}" for task in tasks if task.exception() is not None]

    def _populate(self) -> None:
        lanes: dict[tuple[str, str], LaneRow] = {}
        for scope in SCOPES:
            lane = lanes.setdefault(scope[:2], LaneRow(scope.organization_id, scope.instance_id, gap=GAP))
            self.store.waiting[scope] = Waiting(lane=lane)

    async def _refill(self) -> None:
        while True:
            for scope, waiting in self.store.waiting.items():
                for _ in range(BACKLOG - len(waiting.heap)):
                    self._jobs += 1
                    job = _job(scope, UUID(int=self._jobs))
                    self.scope_of[str(job.intent_id)] = scope
                    self.store.insert(job)
            await asyncio.sleep(REFILL_SECONDS)

    def _notify(self) -> None:
        for control in self.controls:
            if control.process not in self.muted and not control.process.is_dead:
                self.network.notify(control.process, control.heard)

    def _waits(self, order: Order) -> bool:
        return any(waiting.heap for scope, waiting in self.store.waiting.items() if covers(order, scope))

    def _process(self, name: str, clock: SimulatedClock | None = None) -> Process:
        process = Process(f"{name}#{len(self._processes)}", self.loop, clock)
        self._processes.append(process)
        return process

    def _clock(self) -> SimulatedClock:
        clock = SimulatedClock(self.loop, Random(self.random.random()))
        self.clocks.append(clock)
        return clock

    def _server(self, name: str) -> Server:
        return Server(name, self.loop, Random(self.random.random()))

    def _new_id(self) -> UUID:
        self._numbers += 1
        return UUID(int=1 << 100 | self._numbers)


def simulate(seed: int, seconds: float, parts: Parts | None = None, *, keep_trace: bool = False) -> Run:
    """Run one seed and judge it."""
    parts = parts or Parts()
    with _quiet(), _patched(parts):
        return _simulate(seed, seconds, parts, keep_trace)


def _simulate(seed: int, seconds: float, parts: Parts, keep_trace: bool) -> Run:
    world = World(seed, parts, keep_trace=keep_trace)
    world.run(seconds)
    findings = world.checker.conclude(calm=world.faults.is_calm, manned=world.faults.is_manned)
    world.loop.close()
    return Run(
        seed=seed,
        digest=world.trace.digest,
        findings=findings,
        faults=dict(world.faults.counts),
        turns=world.loop.turns,
        errors=[*world.loop.errors, *world.died()],
        lines=world.trace.lines,
    )


def _job(scope: Scope, intent_id: UUID) -> Job:
    return Job(
        organization_id=scope.organization_id,
        intent_id=intent_id,
        decision_number=1,
        instance_id=scope.instance_id,
        campaign_id=scope.campaign_id,
        provider="stub",
        state=JobState.READY,
        reason="",
        next_attempt_at=None,
        held_by=(),
        submitted_at=EPOCH,
        approved_at=EPOCH,
        approved_until=EPOCH,
        expire_time=EPOCH,
        retry_unknown=False,
        traceparent="",
        attempt=0,
        tries=0,
        lease_token=None,
        taken_at=None,
        control_version=0,
        platform_version=0,
        created_at=EPOCH,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing, and collect no garbage: what a killed process left must not run its last words."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    gc.disable()
    try:
        yield
    finally:
        unraisable, sys.unraisablehook = sys.unraisablehook, lambda _: None
        with warnings.catch_warnings(action="ignore"):
            gc.collect()
        sys.unraisablehook = unraisable
        gc.enable()
        structlog.configure(**before)


@contextmanager
def _patched(parts: Parts) -> Iterator[None]:
    patches = [mock.patch.object(module, name, value) for module, name, value in parts.patches]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()
