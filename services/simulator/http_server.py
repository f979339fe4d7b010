"""An HTTP/1.1 server that knows when the first byte of a request came in. Knows no path and no message."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

MAX_BODY = 1024 * 1024

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(RequestHandler):
    """Note the time when bytes come in and no request is under way."""

    __slots__ = ("first_byte_at",)

    def __init__(self, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.first_byte_at: float | None = None

    def data_received(self, data: bytes) -> None:
        if self.first_byte_at is None and data:
            self.first_byte_at = time.time()
        super().data_received(data)


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


def arrival_time(request: web.BaseRequest) -> float:
    """Return when the first byte of `request` was read, in epoch seconds; its turn if it was pipelined."""
    connection = request.protocol
    stamped = connection.first_byte_at if isinstance(connection, _Connection) else None
    return time.time() if stamped is None else stamped


def _forgetting_arrival(handler: Handler) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        try:
            return await handler(request)
        finally:
            if isinstance(connection, _Connection):
                connection.first_byte_at = None

    return handle


@asynccontextmanager
async def serving(handler: Handler, *, host: str, port: int, drain: float) -> AsyncIterator[int]:
    """Serve `handler` and yield the port; at the end calls under way get `drain` seconds."""
    server = _Server(_forgetting_arrival(handler), access_log=None, keepalive_timeout=75, lingering_time=1)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, host, port, backlog=1024)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.pre_shutdown()
        await server.shutdown(drain)
