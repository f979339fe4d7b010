"""A TCP proxy with weather: it delays, stops or cuts what passes. Knows nothing of what is said through it."""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_FIRST_BYTES = 512
STOPPED = math.inf
"""A delay without end: what was read meanwhile arrives, in order, when the weather clears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Seconds that bytes take on the way `to` the target and on the way `back`.

    With `only`, connections are spared whose first bytes do not contain it (PostgreSQL's name of the application).
    """

    to: float = 0.0
    back: float = 0.0
    only: bytes = b""


FAIR = Weather()


class Proxy:
    """Listens on a port of its own and forwards to `target`, a port of this machine, which may be set later."""

    def __init__(self, name: str, target: int = 0) -> None:
        self.name = name
        self.target = target
        self.port = 0
        self.weather = FAIR
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, weather: Weather) -> None:
        """Change the weather for what is under way too."""
        self.weather = weather
        for connection in self._connections:
            connection.changed()

    def cut(self) -> None:
        """Break every connection, so that both ends notice."""
        for connection in list(self._connections):
            connection.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            target = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, (writer, target[1]))
        self._connections.add(connection)
        try:
            await asyncio.gather(
                connection.forward(reader, target[1], outward=True),
                connection.forward(target[0], writer, outward=False),
            )
        except (OSError, RuntimeError):  # uvloop raises the latter for a transport that is closed
            pass
        finally:
            connection.abort()
            self._connections.discard(connection)


@dataclass(slots=True, eq=False)
class _Connection:
    proxy: Proxy
    writers: tuple[asyncio.StreamWriter, ...]
    first: bytes = b""
    wakes: list[asyncio.Event] = field(default_factory=list)

    def changed(self) -> None:
        for wake in self.wakes:
            wake.set()

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool) -> None:
        """Pass on what is read when its delay is over; the end of a stream travels like its bytes."""
        wake, pending = asyncio.Event(), deque[tuple[float, bytes]]()
        self.wakes.append(wake)
        now = asyncio.get_running_loop().time

        async def write() -> None:
            while True:
                wake.clear()
                while pending and (wait := pending[0][0] + self._delay(outward) - now()) <= 0:
                    data = pending.popleft()[1]
                    if not data:
                        writer.close()
                        return
                    writer.write(data)
                try:
                    async with asyncio.timeout(wait if pending and wait < STOPPED else None):
                        await wake.wait()
                except TimeoutError:
                    pass

        writing = asyncio.create_task(write())
        try:
            while data := await reader.read(1 << 16):
                if outward and len(self.first) < _FIRST_BYTES:
                    self.first += data
                if pending or self._delay(outward) > 0:
                    pending.append((now(), data))
                    wake.set()
                else:
                    writer.write(data)
            pending.append((now(), b""))
            wake.set()
            await writing
        finally:
            writing.cancel()

    def _delay(self, outward: bool) -> float:
        weather = self.proxy.weather
        if weather.only not in self.first:
            return 0.0
        return weather.to if outward else weather.back
