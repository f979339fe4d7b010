"""A call to another service carries the trace, has a deadline, and finds a service that comes back."""

import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from structlog.testing import capture_logs
from tests.api.chassis.conftest import Script, registration
from tests.serving import RunningServer, running, settings_of

from chassis.clients import internal_channel
from chassis.interceptors import client
from chassis.settings import ServiceSettings
from chassis.telemetry import context_from, current_traceparent
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2, control_pb2_grpc

CHECK = control_pb2.CheckExecutionsRequest(scopes=[control_pb2.ExecutionScope(organization_id="o", instance_id="i")])
TRACE = "0af7651916cd43dd8448eb211c80319c"


def stub(channel: Any) -> Any:
    return control_pb2_grpc.ControlServiceStub(channel)


async def test_the_trace_goes_along(server: RunningServer, script: Script) -> None:
    seen = []

    async def answer(_: Any) -> Any:
        seen.append(current_traceparent())
        return control_pb2.CheckExecutionsResponse()

    script.unary = answer
    with trace.use_span(trace.get_current_span(context_from(f"00-{TRACE}-b7ad6b7169203331-01"))):
        await stub(server.internal_channel(service="executor")).CheckExecutions(CHECK)
    assert [traceparent[3:35] for traceparent in seen] == [TRACE]


async def test_a_call_without_a_deadline_gets_one(
    server: RunningServer, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: Any) -> Any:
        await asyncio.Event().wait()

    script.unary = answer
    monkeypatch.setattr(client, "DEFAULT_SECONDS", 0.2)
    with pytest.raises(Failure) as raised:
        await stub(server.internal_channel(service="executor")).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.DEADLINE_EXCEEDED


async def test_what_is_unavailable_is_asked_again_and_nothing_else_is(server: RunningServer, script: Script) -> None:
    failures = [Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away"), Failure(Kind.ABORTED, "ETAG_MISMATCH", "no")]

    async def answer(_: Any) -> Any:
        raise failures[min(len(script.seen), 2) - 1]

    script.unary = answer
    with pytest.raises(Failure) as raised:
        await stub(server.internal_channel(service="executor")).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.ABORTED
    assert len(script.seen) == 2


async def test_a_service_that_is_away_is_unavailable_and_found_when_it_is_back(script: Script) -> None:
    settings = settings_of("control", ServiceSettings)
    async with running([registration(script)], service="control", settings=settings) as server:
        port = server.ports.internal
        channel = internal_channel(f"localhost:{port}", settings_of("executor", ServiceSettings))
        await stub(channel).CheckExecutions(CHECK)
    with pytest.raises(Failure) as raised:
        await stub(channel).CheckExecutions(CHECK, timeout=2)
    assert raised.value.kind is Kind.UNAVAILABLE
    again = settings_of("control", ServiceSettings, internal_listen=f"127.0.0.1:{port}")
    async with running([registration(script)], service="control", settings=again):
        async with asyncio.timeout(10):
            await stub(channel).CheckExecutions(CHECK, wait_for_ready=True)
        await channel.close()


async def test_a_call_that_its_task_gives_up_is_canceled_at_the_server(server: RunningServer, script: Script) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def answer(_: Any) -> Any:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    script.unary = answer
    with capture_logs():
        call = asyncio.ensure_future(stub(server.internal_channel(service="executor")).CheckExecutions(CHECK))
        await started.wait()
        call.cancel()
        async with asyncio.timeout(5):
            await ended.wait()
