"""An httpx transport whose writes leave at once. Knows no request.

httpx's own network backend goes once around the event loop before each write; a busy process would spend that time
between the last check of a permit and the first byte. Here the write is the very next thing that happens.

httpx closes the connection of a request that is called off before its first byte. Here it is kept for the next one:
where connecting takes longer than a permit holds, nothing would ever be sent otherwise.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

_LIMIT = 64 * 1024


class DirectTransport(httpx.AsyncHTTPTransport):
    """HTTP/1.1 over pooled connections that write without awaiting anything first."""

    def __init__(self, *, connections: int, keepalive_seconds: float, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify)
        self._backend = _Backend(keepalive_seconds)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=keepalive_seconds,
            http1=True,
            http2=False,
            network_backend=self._backend,
        )

    async def aclose(self) -> None:
        """Close the connections, also those that nothing was written on."""
        await super().aclose()
        self._backend.close()


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, keepalive_seconds: float) -> None:
        self._keepalive_seconds = keepalive_seconds
        self._unused: dict[tuple[str, int], list[tuple[float, _Stream]]] = {}

    def keep(self, stream: "_Stream") -> None:
        """Keep a connection that is open and that nothing was written on."""
        until = asyncio.get_running_loop().time() + self._keepalive_seconds
        self._unused.setdefault(stream.peer, []).append((until, stream))

    def close(self) -> None:
        for kept in self._unused.values():
            for _, stream in kept:
                stream.close()
        self._unused.clear()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        kept = self._unused.get((host, port))
        while kept:
            until, stream = kept.pop()
            if asyncio.get_running_loop().time() < until and not stream.get_extra_info("is_readable"):
                return stream
            stream.close()
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(host, port, limit=_LIMIT)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(reader, writer, backend=self, peer=(host, port))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, backend: _Backend, peer: tuple[str, int]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._backend = backend
        self._secured = False
        self._unused = True
        self.peer = peer

    def close(self) -> None:
        self._writer.close()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        self._unused = False
        try:
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        if self._unused and not self.get_extra_info("is_readable"):
            self._backend.keep(self)
        else:
            self.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if self._secured:
            return self
        self._unused = False
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            self._writer.close()
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            self._writer.close()
            raise httpcore.ConnectError(str(error)) from error
        self._secured = self._unused = True
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # of an idle connection: the other side has closed it, or broken the protocol
            return self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing()
        if info == "ssl_object":
            return self._writer.get_extra_info("ssl_object")
        return self._writer.get_extra_info(info)
