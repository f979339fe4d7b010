"""Streams stay open, end with a status like any call, and let go at a stop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.chassis.conftest import Script, registration
from tests.serving import RunningServer, identities, mint, running

from chassis.clients import public_channel
from kernel.errors import Failure, Kind, not_found
from whatlead.control.v1 import control_pb2, control_pb2_grpc

WATCH = control_pb2.WatchExecutionControlsRequest()
RESPONSE = control_pb2.WatchExecutionControlsResponse()


def watch(server: RunningServer, role: str = "owner") -> Any:
    return control_pb2_grpc.ControlServiceStub(server.public_channel(role=role)).WatchExecutionControls(WATCH)


async def read(call: Any, got: list[Any]) -> None:
    async for response in call:
        got.append(response)  # noqa: PERF401 what came before a failure counts


async def test_what_is_yielded_arrives(server: RunningServer, script: Any) -> None:
    async def stream(_: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            yield RESPONSE

    script.stream = stream
    got: list[Any] = []
    await read(watch(server), got)
    assert got == [RESPONSE] * 3


async def test_a_failure_in_mid_stream_arrives(server: RunningServer, script: Any) -> None:
    async def stream(_: Any) -> AsyncIterator[Any]:
        yield RESPONSE
        raise not_found("control")

    script.stream = stream
    got: list[Any] = []
    with pytest.raises(Failure) as raised:
        await read(watch(server), got)
    assert (len(got), raised.value.kind) == (1, Kind.NOT_FOUND)


async def test_a_stream_needs_a_role_too(server: RunningServer, script: Any) -> None:
    with pytest.raises(Failure) as raised:
        await read(watch(server, role="nobody"), [])
    assert raised.value.kind is Kind.UNAUTHENTICATED
    assert script.seen == []


async def test_a_reader_that_leaves_ends_the_handler(server: RunningServer, script: Any) -> None:
    ended = asyncio.Event()

    async def stream(_: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield RESPONSE
        finally:
            ended.set()

    script.stream = stream
    call = watch(server)
    async for _ in call:
        break
    call.cancel()
    async with asyncio.timeout(5):
        await ended.wait()


@pytest.mark.parametrize("flooding", [False, True], ids=["that waits for more", "that does not read"])
async def test_a_stop_ends_at_once_the_stream_of_a_reader(flooding: bool) -> None:
    first, closed = asyncio.Event(), asyncio.Event()

    async def stream(_: Any) -> AsyncIterator[Any]:
        try:
            yield RESPONSE
            while flooding:
                yield RESPONSE
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def follow(call: Any) -> None:
        async for _ in call:
            first.set()
            if flooding:
                await closed.wait()

    async with asyncio.timeout(8):
        async with running([registration(Script(stream=stream))], service="control") as server:  # type: ignore[abstract]
            channel = public_channel(f"localhost:{server.ports.public}", identities() / "ca.pem", mint())
            call = control_pb2_grpc.ControlServiceStub(channel).WatchExecutionControls(WATCH)
            reader = asyncio.create_task(follow(call))
            await first.wait()
        await closed.wait()
        with pytest.raises(Failure) as raised:
            await reader
        await channel.close()
    assert raised.value.kind is Kind.UNAVAILABLE
