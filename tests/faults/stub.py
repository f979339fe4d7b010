"""A provider that takes all and notes when each first byte came: `python -m tests.faults.stub`. Knows no fault.

Each line of its log: seconds of the boot-time clock, attempt id.
"""

import asyncio
import os
import re
import signal
import time
from typing import cast

import uvloop

_ANSWERS_EVERY_SECONDS = 0.1  # all at once, so that executors store outcomes together and the machine has time for more
_ATTEMPT = re.compile(rb'"biz_opaque_callback_data"\s*:\s*"([^"]+)"')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Provider(asyncio.Protocol):
    """One connection of HTTP/1.1 without pipelining."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._received = b""
        self._first_byte = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Note the time of a request's first bytes; answer once it is whole."""
        if not self._received:
            self._first_byte = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        attempt = _ATTEMPT.search(body)
        self._received = b""
        if attempt is None:
            self._answer(b"{}")
            return
        os.write(self._log, b"%.6f %b\n" % (self._first_byte, attempt[1]))
        answer = b'{"messages":[{"id":"wamid.%b"}]}' % attempt[1]
        loop = asyncio.get_running_loop()
        tick = (loop.time() // _ANSWERS_EVERY_SECONDS + 1) * _ANSWERS_EVERY_SECONDS
        loop.call_at(tick, self._answer, answer)

    def _answer(self, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)


async def serve() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    host, _, port = os.environ["WHATLEAD_SIMULATOR_LISTEN"].rpartition(":")
    log = os.open(os.environ["FAULTS_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(lambda: Provider(log), host, int(port))
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
