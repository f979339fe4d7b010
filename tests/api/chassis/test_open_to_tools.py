"""Health, reflection and metrics answer without a token, on every listener that has them."""

from collections.abc import Sequence
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from tests.api.chassis.conftest import Script, registration
from tests.serving import RunningServer, identities, running, settings_of

from chassis.settings import ServiceSettings
from whatlead.control.v1 import control_pb2, control_pb2_grpc

REFLECTION = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"


def plain(server: RunningServer, listener: str) -> grpc.aio.Channel:
    """A channel of no client of ours, and without a token."""
    settings = settings_of("audit", ServiceSettings)
    root = (identities() / "ca.pem").read_bytes()
    if listener == "public":
        credentials = grpc.ssl_channel_credentials(root)
        return grpc.aio.secure_channel(f"localhost:{server.ports.public}", credentials)
    credentials = grpc.ssl_channel_credentials(
        root, settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes()
    )
    return grpc.aio.secure_channel(f"localhost:{server.ports.internal}", credentials)


@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize("service", ["", "whatlead.control.v1.ControlService"])
async def test_health_says_serving(server: RunningServer, listener: str, service: str) -> None:
    async with plain(server, listener) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def reflect(channel: grpc.aio.Channel, version: str, **question: Any) -> Any:
    call: Any = channel.stream_stream(
        REFLECTION.format(version),
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    async for answer in call(iter([reflection_pb2.ServerReflectionRequest(**question)])):
        return answer
    raise AssertionError("no answer")


def names_of(files: Sequence[bytes]) -> list[str]:
    return [descriptor_pb2.FileDescriptorProto.FromString(file).name for file in files]


@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_every_service_and_describes_it(
    server: RunningServer, listener: str, version: str
) -> None:
    async with plain(server, listener) as channel:
        listed = await reflect(channel, version, list_services="")
        services = {service.name for service in listed.list_services_response.service}
        assert services == {
            "whatlead.control.v1.ControlService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        for service in services:
            described = await reflect(channel, version, file_containing_symbol=service)
            assert names_of(described.file_descriptor_response.file_descriptor_proto), service


async def test_http_serves_metrics_health_and_added_routes(script: Script) -> None:
    async def hook(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async with (
        running([registration(script)], service="control", http=[web.post("/hook", hook)]) as server,
        aiohttp.ClientSession(server.http_url) as session,
    ):
        stub: Any = control_pb2_grpc.ControlServiceStub(server.public_channel())
        await stub.GetEffectiveState(control_pb2.GetEffectiveStateRequest())
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "serving\n")
        async with session.get("/metrics") as answer:
            assert "process_cpu_seconds_total" in await answer.text()
        async with session.post("/hook", data="hello") as answer:
            assert await answer.text() == "hello"
        async with session.get("/nothing") as answer:
            assert answer.status == 404
