"""Run audit by itself and hand it events as the executor does. Measures nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from tests.bench.checks import settings_of
from tests.bench.governed import rest
from tests.bench.processor_time import Processes

from chassis.clients import internal_channel
from console.system import System
from whatlead.audit.v1 import event_pb2, event_pb2_grpc

TakeIn = Callable[[Sequence[bytes]], Awaitable[None]]


@asynccontextmanager
async def audit_alone(system: System) -> AsyncIterator[TakeIn]:
    """Run audit for as long as the block lasts, and give a way to record events."""
    await system.restart("audit")
    try:
        target = f"localhost:{system.ports.internal('audit')}"
        async with internal_channel(target, settings_of(system, "executor")) as channel:
            stub = event_pb2_grpc.EventServiceStub(channel)

            async def take_in(bodies: Sequence[bytes]) -> None:
                response = await stub.RecordEvents(event_pb2.RecordEventsRequest(events=bodies), timeout=60)
                if response.refusals:
                    raise RuntimeError(f"audit refused events of a benchmark: {response.refusals[0]}")

            yield take_in
    finally:
        await rest(system)


def processes(system: System) -> Processes:
    """Name the processes whose time counts."""
    return Processes(named={"audit": system.processes["audit"].pid}, postgres=system.postgres.pid or 0)
