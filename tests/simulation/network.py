"""The simulated network: calls with deadlines and streams between processes; delays, losses and partitions.

A message on its way arrives late, or never; what a partition holds up may still arrive when it heals. Knows no service.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from random import Random
from typing import Any, TypeVar

from tests.simulation.loop import Process, VirtualLoop, current_process

from kernel.errors import Failure, Kind

T = TypeVar("T")
_USUAL = 0.003
_READER_NOTICES = (0.5, 6.0)
_WRITER_NOTICES = (0.1, 3.0)
LATEST_SECONDS = 3.0


class Network:
    """Carries messages. `cuts` are the directions in which nothing gets through."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.cuts: dict[tuple[Process, Process], None] = {}
        self.late_share = 0.0
        self.loss_share = 0.0
        self.lost = 0
        self._loop = loop
        self._random = random
        self._held: list[tuple[Process, Process, Callable[[], None]]] = []
        self._calls: dict[Process, dict[int, Callable[[], None]]] = {}
        self._streams: dict[_Stream, None] = {}
        self._number = 0

    async def call(self, target: Process, handler: Callable[[], Awaitable[T]], *, deadline: float) -> T:
        """Have `target` run `handler`; raise its Failure, or Failure UNAVAILABLE if no answer comes in time."""
        source = current_process()
        answer: asyncio.Future[T] = self._loop.create_future()
        serving: list[asyncio.Task[None]] = []

        def refuse(failure: Failure) -> None:
            if not answer.done():
                answer.set_exception(failure)

        def reply(failure: Failure | None, result: Any) -> None:
            if answer.done():
                return
            if failure is not None:
                answer.set_exception(failure)
            else:
                answer.set_result(result)

        self._number += 1
        number = self._number

        async def serve() -> None:
            failure, result = None, None
            self._calls.setdefault(target, {})[number] = lambda: self.send(target, source, lambda: refuse(_gone()))
            try:
                result = await handler()
            except Failure as raised:
                failure = raised
            finally:
                self._calls[target].pop(number, None)
            self.send(target, source, lambda: reply(failure, result))

        def arrive() -> None:
            if target.is_dead:
                self.send(target, source, lambda: refuse(_gone()))
            elif not answer.done():
                serving.append(target.start(serve(), "serve"))

        timer = self._loop.call_later(deadline, refuse, _late())
        self.send(source, target, arrive)
        try:
            return await answer
        finally:
            timer.cancel()
            if serving and not serving[0].done():
                self.send(source, target, serving[0].cancel)

    async def stream(self, target: Process, follow: Callable[[], AsyncGenerator[T, None]]) -> AsyncIterator[T]:
        """Yield what `target` streams, in order. Raises Failure when it ends or the connection is found broken."""
        stream = _Stream(current_process(), target, self._loop)
        self._streams[stream] = None

        async def serve() -> None:
            failure = _gone()
            try:
                async with aclosing(follow()) as messages:
                    async for message in messages:
                        self._push(stream, message)
            except Failure as raised:
                failure = raised
            self._push(stream, failure)

        def arrive() -> None:
            if not target.is_dead:
                stream.serving = target.start(serve(), "stream")
            else:
                stream.arrive(_gone())

        self.send(stream.source, target, arrive)
        try:
            while True:
                message = await stream.next()
                if isinstance(message, Failure):
                    raise message
                yield message
        finally:
            self._streams.pop(stream, None)
            if stream.serving is not None:
                self.send(stream.source, target, stream.serving.cancel)

    def send(self, source: Process, target: Process, deliver: Callable[[], None]) -> None:
        """Carry one message, late or never."""
        source.has_sent()
        if (source, target) in self.cuts:
            if self._random.random() < 0.5:
                self._held.append((source, target, deliver))
            else:
                self.lost += 1
            return
        if self._random.random() < self.loss_share:
            self.lost += 1
            return
        self._deliver_at(self._loop.time() + self._delay(), source, target, deliver)

    def notify(self, target: Process, deliver: Callable[[], None]) -> None:
        """Carry a notification from a database."""
        self._loop.call_later(self._random.expovariate(1.0 / _USUAL), deliver, context=target.context)

    def cut(self, source: Process, target: Process) -> None:
        """Let nothing through in this direction; streams that way break, and are found broken later."""
        self.cuts[source, target] = None
        for stream in list(self._streams):
            if {source, target} == {stream.source, stream.target}:
                self.break_stream(stream)

    def heal(self, source: Process, target: Process) -> None:
        """Let messages through again, those that wait among them."""
        self.cuts.pop((source, target), None)
        waiting, self._held = self._held, []
        for held_source, held_target, deliver in waiting:
            self.send(held_source, held_target, deliver)

    def half_open(self, process: Process) -> None:
        """Break the streams of a process without telling it at once."""
        for stream in list(self._streams):
            if stream.source is process:
                self.break_stream(stream)

    def break_stream(self, stream: "_Stream") -> None:
        """Let nothing more through; both ends find out by keepalive."""
        if stream.is_broken:
            return
        stream.is_broken = True
        self._loop.call_later(
            self._random.uniform(*_READER_NOTICES), stream.arrive, _gone(), context=stream.source.context
        )
        if stream.serving is not None:
            self._loop.call_later(
                self._random.uniform(*_WRITER_NOTICES), stream.serving.cancel, context=stream.target.context
            )

    def killed(self, process: Process) -> None:
        """Tell the peers of a dead process, as its machine does when it closes the sockets."""
        for refuse in list(self._calls.pop(process, {}).values()):
            refuse()
        for stream in list(self._streams):
            if stream.target is process:
                self.send(process, stream.source, lambda stream=stream: stream.arrive(_gone()))  # type: ignore[misc]
            elif stream.source is process:
                del self._streams[stream]
                if stream.serving is not None:
                    self.send(process, stream.target, stream.serving.cancel)

    def is_connected(self, name: str) -> bool:
        """Tell whether some process believes to be streaming to the one of that name."""
        return any(
            stream.source.name == name and stream.serving is not None and not stream.serving.done()
            for stream in self._streams
        )

    def _push(self, stream: "_Stream", message: object) -> None:
        if not stream.is_broken:
            stream.next_at = max(stream.next_at, self._loop.time() + self._delay())
            self._deliver_at(stream.next_at, stream.target, stream.source, lambda: stream.arrive(message))

    def _deliver_at(self, at: float, source: Process, target: Process, deliver: Callable[[], None]) -> None:
        # To a dead process: run by the world, so that the refusal finds its way back.
        context = self._loop.world.context if target.is_dead else target.context
        self._loop.call_at(at, deliver, context=context)

    def _delay(self) -> float:
        if self._random.random() < self.late_share:
            return self._random.uniform(0.0, self._random.choice((0.4, LATEST_SECONDS)))
        return self._random.expovariate(1.0 / _USUAL)


class _Stream:
    """One stream, seen from its reader."""

    def __init__(self, source: Process, target: Process, loop: VirtualLoop) -> None:
        self.source = source
        self.target = target
        self.serving: asyncio.Task[None] | None = None
        self.is_broken = False
        self.next_at = 0.0
        self._loop = loop
        self._unread: deque[object] = deque()
        self._reader: asyncio.Future[None] | None = None

    def arrive(self, message: object) -> None:
        self._unread.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def next(self) -> Any:
        while not self._unread:
            self._reader = self._loop.create_future()
            await self._reader
        return self._unread.popleft()


def _gone() -> Failure:
    return Failure(Kind.UNAVAILABLE, "CONTROL_UNREACHABLE", "the connection is gone")


def _late() -> Failure:
    return Failure(Kind.UNAVAILABLE, "CONTROL_UNREACHABLE", "no answer in time")
