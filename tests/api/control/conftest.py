"""Control as a whole process, once or more on one database, with audit played by the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests import postgres
from tests.serving import RunningServer, running_process, settings_of

from chassis.clients import internal_channel
from chassis.outbox import Outbox, Receiver, Refusal
from control.__main__ import Databases, assemble
from control.infrastructure.changes import AUDIT
from control.infrastructure.neighbours import Neighbours
from control.settings import ControlSettings
from kernel.clock import SystemClock
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.control.v1 import control_pb2, control_pb2_grpc
from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceStub
from whatlead.gate.v1.gate_pb2_grpc import GateServiceStub


async def eventually(holds: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Return as soon as `holds`, or fail."""
    for _ in range(int(seconds / 0.01)):
        if await holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never held")


def _whole(payload: bytes) -> Iterable[tuple[str, bytes]]:
    return [("all", payload)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A replica of control under test."""

    server: RunningServer
    databases: Databases
    recorded: list[event_pb2.OperationalEvent]

    def caller(
        self, *, role: str = "owner", organization_id: str = "demo", subject: str = "ana"
    ) -> "control_pb2_grpc.ControlServiceAsyncStub":
        """Return a client as a person or backend."""
        channel = self.server.public_channel(role=role, organization_id=organization_id, subject=subject)
        return _stub(channel)

    def peer(self, service: str = "gate") -> "control_pb2_grpc.ControlServiceAsyncStub":
        """Return a client as another service."""
        return _stub(self.server.internal_channel(service=service))

    async def register(self, session_id: str = "") -> str:
        """Register an executor's session, which says nothing unless the test does, and return its id."""
        session_id = session_id or str(uuid7())
        request = control_pb2.RegisterSessionRequest(session_id=session_id, executor="executor-1")
        assert (await self.peer("executor").RegisterSession(request)).lease.ToMilliseconds() == 3000
        return session_id


def _stub(channel: Any) -> "control_pb2_grpc.ControlServiceAsyncStub":
    return control_pb2_grpc.ControlServiceStub(channel)  # type: ignore[no-any-return, unused-ignore]


Start = Callable[[], Awaitable[Control]]


@asynccontextmanager
async def running_control(url: str, *, audit_is_down: bool = False, **targets: str) -> AsyncIterator[Control]:
    """Run a replica on the database at `url`; `recorded` is what it told audit. `targets`: where gate and executor are.

    Without targets nobody answers there, which holds up nothing but what asks for counts.
    """
    databases = Databases.connect(url)
    recorded: list[event_pb2.OperationalEvent] = []

    async def record(payload: bytes) -> Sequence[Refusal]:
        if audit_is_down:
            raise OSError("audit is down")
        events = event_pb2.RecordEventsRequest.FromString(payload).events
        recorded.extend(map(event_pb2.OperationalEvent.FromString, events))
        return []

    try:
        outbox = Outbox(databases.outbox, [Receiver(name=AUDIT, deliver=record, split=_whole)])
        nowhere = {"gate_target": "127.0.0.1:1", "executor_target": "127.0.0.1:1"}
        settings = settings_of("control", ControlSettings, **(nowhere | targets))
        async with (
            internal_channel(settings.gate_target, settings) as gate,
            internal_channel(settings.executor_target, settings) as executor,
        ):
            neighbours = Neighbours(gate=GateServiceStub(gate), executor=ExecutorServiceStub(executor))
            process = assemble(settings, databases, outbox, neighbours, SystemClock())
            async with running_process(process) as server:
                yield Control(server=server, databases=databases, recorded=recorded)
    finally:
        await databases.close()


@pytest.fixture
async def url(databases: postgres.Databases) -> str:
    """A fresh database of control."""
    return await databases.url("control")


@pytest.fixture
async def start(url: str) -> AsyncIterator[Start]:
    """`await start()` runs a further replica on the same database."""
    async with AsyncExitStack() as stack:

        async def started() -> Control:
            return await stack.enter_async_context(running_control(url))

        yield started


@pytest.fixture
async def control(start: Start) -> Control:
    """One replica."""
    return await start()
