"""The gRPC listeners of a process: credentials, limits, health and reflection. Knows no service and no signal."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, cast

import grpc
import structlog
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.authentication import Tokens
from chassis.interceptors.call import Layer, Listener
from chassis.interceptors.server import ServerLayers
from chassis.interceptors.server_deadline import deadline
from chassis.interceptors.server_errors import errors
from chassis.interceptors.server_identity import identity
from chassis.interceptors.server_load import Load
from chassis.interceptors.server_log import log_line
from chassis.interceptors.server_telemetry import telemetry
from chassis.interceptors.server_validation import validation
from chassis.reflection import add_reflection
from chassis.settings import ServiceSettings
from chassis.validation import Rules
from kernel.errors import Failure, Kind

MAX_REQUEST_BYTES = {Listener.PUBLIC: 4 * 1024 * 1024, Listener.INTERNAL: 8 * 1024 * 1024}
MAX_METADATA_BYTES = 16 * 1024
MAX_STREAMS_A_CONNECTION = 1_000
MAX_CALLS = 4_000
MAX_PRIORITY_CALLS = 200  # in addition: what gets in when no other call does
_MIN_PING_MILLISECONDS = 10_000

log = structlog.get_logger(__name__)


def layers(tokens: Tokens, rules: Rules) -> Callable[[Callable[[bytes], Message]], Sequence[Layer]]:
    """Return what makes the layers of a method, in the order that `interceptors.server` explains."""

    def of_method(read: Callable[[bytes], Message]) -> Sequence[Layer]:
        return (telemetry, log_line, errors, identity(tokens), deadline, validation(rules, read))

    return of_method


class GrpcListener:
    """One listener: a grpc server with its layers, health and reflection."""

    def __init__(
        self,
        listener: Listener,
        tokens: Tokens,
        rules: Rules,
        add_services: Callable[[grpc.aio.Server], None],
        priority: Collection[str],
    ) -> None:
        self._layers = ServerLayers(listener, layers(tokens, rules))
        self._server = grpc.aio.server(
            interceptors=[Load(limit=MAX_CALLS, priority=priority), self._layers],
            options=_options(listener),
            maximum_concurrent_rpcs=MAX_CALLS + MAX_PRIORITY_CALLS,
        )
        self._listener = listener
        self._health = health.aio.HealthServicer()
        add_services(self._server)

    async def start(self, address: str, settings: ServiceSettings, services: list[str]) -> int:
        """Listen and say so in the health service. Returns the port."""
        self._services = services
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        add_reflection(self._server, [*services, health.SERVICE_NAME])
        try:
            port = self._server.add_secure_port(address, _credentials(self._listener, settings))
        except RuntimeError:
            raise Failure(
                Kind.FAILED_PRECONDITION, "WRONG_STATE", f"cannot listen at {address}: is it in use?"
            ) from None
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def announce_stop(self) -> None:
        """Tell those who watch the health service to go elsewhere."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Take no more calls, end the streams, and give the others `grace` seconds to finish."""
        self._layers.end_streams()
        await self._server.stop(grace)

    async def _set_health(self, status: Any) -> None:
        for service in ("", *self._services):
            await self._health.set(service, status)


def _options(listener: Listener) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES[listener]),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS_A_CONNECTION),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.http2.min_ping_interval_without_data_ms", _MIN_PING_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Two processes at one port would share its calls between them unseen.
        ("grpc.so_reuseport", 0),
    ]


def _credentials(listener: Listener, settings: ServiceSettings) -> grpc.ServerCredentials:
    """Return TLS that rereads its files when they change; the internal listener demands a client certificate."""
    files = [settings.tls_key_file, settings.tls_cert_file]
    if listener is Listener.INTERNAL:
        files.append(settings.tls_ca_file)
    reload = _Certificates(files)
    changed = cast(Callable[[], grpc.ServerCertificateConfiguration], reload.changed)  # None says: no change
    return grpc.dynamic_ssl_server_credentials(reload.read(), changed, listener is Listener.INTERNAL)


class _Certificates:
    """Key, chain and, for mutual TLS, authority. Asked by grpc, on its own thread, at every new connection."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._seen = self._stamps()

    def read(self) -> grpc.ServerCertificateConfiguration:
        key, chain, *authority = (file.read_bytes() for file in self._files)
        return grpc.ssl_server_certificate_configuration([(key, chain)], authority[0] if authority else None)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            configuration = self.read()
        except (OSError, ValueError) as error:
            log.warning("certificates.unreadable", error=str(error))
            return None
        self._seen = stamps
        return configuration

    def _stamps(self) -> list[tuple[int, int]]:
        return [(status.st_mtime_ns, status.st_ino) for status in (file.stat() for file in self._files)]
