"""A service in this process, on random ports, with certificates and tokens of its own: the support of API tests."""

import atexit
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import grpc
from aiohttp import web

from chassis.clients import internal_channel, public_channel
from chassis.serving import Loop, Ports, Process, Registration, serving
from chassis.settings import ServiceSettings
from console import pki

SERVICES = (*pki.SERVICES, "stranger")
S = TypeVar("S", bound=ServiceSettings)


@cache
def identities() -> Path:
    """The folder of this test process's certificates and signing key."""
    folder = Path(tempfile.mkdtemp(prefix="whatlead-pki-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pki.ensure(folder, services=SERVICES)
    return folder


def settings_of(service: str, settings_class: type[S], **values: Any) -> S:
    """Return settings on random ports with test certificates; `values` override."""
    folder = identities()
    given: dict[str, Any] = {
        "database_url": "postgresql://nobody@127.0.0.1:1/none",
        "public_listen": "127.0.0.1:0",
        "internal_listen": "127.0.0.1:0",
        "http_listen": "127.0.0.1:0",
        "tls_cert_file": folder / f"{service}.pem",
        "tls_key_file": folder / f"{service}.key",
        "tls_ca_file": folder / "ca.pem",
        "jwks": str(folder / "jwks.json"),
        "evidence_key_file": folder / "evidence.key",
    }
    return settings_class(**{**given, **values})


def mint(
    *, role: str = "owner", organization_id: str = "demo", subject: str = "tester", ttl: timedelta = timedelta(hours=1)
) -> str:
    """Return a token that the servers of this module accept."""
    return pki.mint_token(identities(), subject=subject, organization_id=organization_id, role=role, ttl=ttl)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server under test. Its channels close with it, and their calls raise kernel Failures."""

    ports: Ports
    settings: ServiceSettings
    stack: AsyncExitStack

    def public_channel(
        self, *, role: str = "owner", organization_id: str = "demo", subject: str = "tester", token: str | None = None
    ) -> grpc.aio.Channel:
        """Open a channel as a caller; `token` replaces the one that would be minted."""
        bearer = token or mint(role=role, organization_id=organization_id, subject=subject)
        return self._kept(public_channel(f"localhost:{self.ports.public}", identities() / "ca.pem", bearer))

    def internal_channel(self, *, service: str) -> grpc.aio.Channel:
        """Open a channel as a service of the installation (or as `stranger`)."""
        settings = settings_of(service, ServiceSettings)
        return self._kept(internal_channel(f"localhost:{self.ports.internal}", settings))

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    def _kept(self, channel: grpc.aio.Channel) -> grpc.aio.Channel:
        self.stack.push_async_callback(channel.close)
        return channel


@asynccontextmanager
async def running(
    registrations: Sequence[Registration],
    *,
    service: str = "gate",
    settings: ServiceSettings | None = None,
    loops: Mapping[str, Loop] | None = None,
    http: Sequence[web.RouteDef] = (),
    on_stop: Sequence[Callable[[], Awaitable[None]]] = (),
) -> AsyncIterator[RunningServer]:
    """Run `registrations` (and loops, and HTTP routes) as `service` for as long as the block runs."""
    settings = settings or settings_of(service, ServiceSettings)
    process = Process(
        name=service, settings=settings, registrations=registrations, loops=loops or {}, http=http, on_stop=on_stop
    )
    async with running_process(process) as server:
        yield server


@asynccontextmanager
async def running_process(process: Process) -> AsyncIterator[RunningServer]:
    """Run a whole Process, as a service's composition root made it."""
    async with serving(process) as ports, AsyncExitStack() as stack:
        yield RunningServer(ports=ports, settings=process.settings, stack=stack)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for a block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
