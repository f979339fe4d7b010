"""Control at several addresses, over real connections: one that is gone or silent keeps no executor from working."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from tests.api.executor.neighbours import Heard, free_port, neighbours
from tests.serving import settings_of

from chassis.clients import internal_channel
from executor.application.ports import Snapshot
from executor.domain.job import Scope
from executor.infrastructure.control_client import GrpcControl
from executor.settings import ExecutorSettings
from kernel.errors import Failure
from kernel.ids import uuid7
from whatlead.control.v1.control_pb2_grpc import ControlServiceStub

_TIMEOUT = 0.4
SCOPES = [Scope("demo", "inst-1", "welcome")]


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Take connections and answer nothing, not even a handshake."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def control_at(*targets: str) -> AsyncIterator[GrpcControl]:
    async with AsyncExitStack() as stack:
        settings = settings_of("executor", ExecutorSettings, provider_override="noop", control_target=",".join(targets))
        stubs: Sequence[ControlServiceStub] = [
            ControlServiceStub(await stack.enter_async_context(internal_channel(target, settings, retries=False)))
            for target in settings.control_targets
        ]
        yield GrpcControl(stubs, timeout=_TIMEOUT)  # type: ignore[arg-type]


async def test_a_silent_replica_costs_one_timeout_and_one_that_is_gone_none() -> None:
    async with (
        silent() as nobody,
        neighbours(Heard()) as there,
        control_at(nobody, f"localhost:{free_port()}", there) as control,
    ):
        began = asyncio.get_running_loop().time()
        with pytest.raises(Failure):
            await control.check(SCOPES, session_id=uuid7())
        assert asyncio.get_running_loop().time() - began < 2 * _TIMEOUT
        (answer,) = (await control.check(SCOPES, session_id=uuid7())).answers
        assert answer
        await control.register(uuid7(), "executor-1")


async def test_the_watch_is_opened_at_another_replica_each_time() -> None:
    async with neighbours(Heard()) as there, control_at(there, f"localhost:{free_port()}") as control:
        with pytest.raises(Failure):
            await anext(control.watch().__aiter__())
        assert isinstance(await anext(control.watch().__aiter__()), Snapshot)
