"""The life of a process: listen, run its loops, and stop without losing a call. Knows no service.

On SIGTERM or SIGINT, in this order: health says NOT_SERVING; no new calls, those under way finish within the grace;
the loops see their stop event and end; `on_stop` in reverse order; telemetry is flushed. Exit 0.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import structlog
from aiohttp import web
from google.protobuf.descriptor import ServiceDescriptor

from chassis import telemetry
from chassis.authentication import Tokens
from chassis.authorization import check_complete
from chassis.http_listener import HttpListener
from chassis.interceptors.call import Listener
from chassis.listeners import GrpcListener
from chassis.settings import ServiceSettings, load
from chassis.signing_keys import signing_keys
from chassis.validation import Rules
from kernel.errors import Failure
from kernel.garbage import collect_seldom

GRACE_SECONDS = 10.0
_GRACE_BROKEN_SECONDS = 1.0

Loop = Callable[[asyncio.Event], Awaitable[None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A service of the contracts, what implements it, and the generated function that adds it to a server.

    `priority` names the methods that get in also when a listener has as many calls open as it takes.
    """

    descriptor: ServiceDescriptor
    servicer: object
    add: Callable[[Any, grpc.aio.Server], None]
    priority: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What a process serves and runs. A loop gets the stop event and returns soon after it is set, never before."""

    name: str
    settings: ServiceSettings
    registrations: Sequence[Registration]
    loops: Mapping[str, Loop] = field(default_factory=dict)
    http: Sequence[web.RouteDef] = ()
    on_stop: Sequence[Callable[[], Awaitable[None]]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a process listens, once it does; a port that was asked for as 0 is a real one here."""

    public: int
    internal: int
    http: int


class LoopEnded(Exception):
    """Tell that a loop returned although nothing asked it to."""


@asynccontextmanager
async def serving(process: Process) -> AsyncIterator[Ports]:
    """Serve and run the loops for as long as the block runs, then stop in order. A loop that dies breaks the block."""
    async with AsyncExitStack() as stack:
        for callback in process.on_stop:
            stack.push_async_callback(callback)
        listeners = await _Listeners.of(process)
        stop = asyncio.Event()
        async with _alone(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run_loop(name, loop, stop), name=name) for name, loop in process.loops.items()]
            grace = _GRACE_BROKEN_SECONDS
            try:
                yield await listeners.start()
                grace = GRACE_SECONDS
            finally:
                await listeners.stop(grace)
                stop.set()
                await _wait_for(tasks, grace)


async def run(process: Process) -> None:
    """Serve until SIGTERM or SIGINT. Raises what a loop died of."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with serving(process) as ports:
        log.info("process.serving", public=ports.public, internal=ports.internal, http=ports.http)
        await asked.wait()
        log.info("process.stopping")
    log.info("process.stopped")


S = TypeVar("S", bound=ServiceSettings)


def launch(name: str, settings_class: type[S], compose: Callable[[S], AbstractAsyncContextManager[Process]]) -> int:
    """Be the `main` of a service: settings, telemetry, `compose`, run. Returns the exit code.

    `compose` opens what the process needs, yields the Process, and closes it when the process has stopped.
    """
    settings = load(settings_class)
    recorded = telemetry.configure(name, settings)

    async def live() -> None:
        async with compose(settings) as process:
            collect_seldom()
            await run(process)

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(live())
    except Failure as failure:
        log.error("process.refused_to_start", reason=failure.reason, message=str(failure))
        return 1
    except Exception:
        log.critical("process.failed", exc_info=True)
        return 1
    finally:
        recorded.shutdown()
    return 0


class _Listeners:
    """The three listeners of a process, started and stopped together."""

    def __init__(self, process: Process, tokens: Tokens, rules: Rules) -> None:
        self._settings = process.settings
        self._registrations = process.registrations
        self._services = [registration.descriptor.full_name for registration in process.registrations]
        self._stopping = False
        priority = {
            f"/{registration.descriptor.full_name}/{registration.descriptor.methods_by_name[name].name}"
            for registration in process.registrations
            for name in registration.priority
        }
        self._public = GrpcListener(Listener.PUBLIC, tokens, rules, self._add_services, priority)
        self._internal = GrpcListener(Listener.INTERNAL, tokens, rules, self._add_services, priority)
        self._http = HttpListener(process.http, lambda: not self._stopping, GRACE_SECONDS)

    @classmethod
    async def of(cls, process: Process) -> "_Listeners":
        """Make them. Raises Incomplete if a method has no row in the authorization table."""
        descriptors = [registration.descriptor for registration in process.registrations]
        check_complete(descriptors)
        rules = Rules()
        rules.compile(descriptors)
        settings = process.settings
        keys = signing_keys(settings.jwks)
        await keys.load()
        return cls(process, Tokens(keys, issuer=settings.jwt_issuer, audience=settings.jwt_audience), rules)

    async def start(self) -> Ports:
        settings = self._settings
        return Ports(
            public=await self._public.start(settings.public_listen, settings, self._services),
            internal=await self._internal.start(settings.internal_listen, settings, self._services),
            http=await self._http.start(settings.http_listen),
        )

    async def stop(self, grace: float) -> None:
        self._stopping = True
        await asyncio.gather(self._public.announce_stop(), self._internal.announce_stop())
        await asyncio.gather(self._public.stop(grace), self._internal.stop(grace), self._http.stop())

    def _add_services(self, server: grpc.aio.Server) -> None:
        for registration in self._registrations:
            registration.add(registration.servicer, server)


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Raise what broke the block as it is, where it is only one."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


async def _run_loop(name: str, loop: Loop, stop: asyncio.Event) -> None:
    await loop(stop)
    if not stop.is_set():
        raise LoopEnded(f"the loop {name} ended by itself")


async def _wait_for(tasks: Sequence[asyncio.Task[None]], grace: float) -> None:
    """Give the loops `grace` seconds to see their stop event, then cancel them."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=grace)
    for task in late:
        log.warning("loop.cut_off", loop=task.get_name())
        task.cancel()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
