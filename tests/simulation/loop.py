"""Virtual time for asyncio: one loop runs several simulated processes, and time passes only when nobody can run.

Every callback belongs to a process. Callbacks of one process keep their order, as asyncio promises; among processes a
seeded choice decides. A stalled process keeps its callbacks for later, a dead one loses them. Knows no service.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from kernel.clock import Clock

T = TypeVar("T")
_running_in: contextvars.ContextVar["Process"] = contextvars.ContextVar("simulated_process")


class Handle:
    """One callback to come."""

    __slots__ = ("_args", "_at", "_callback", "_context", "is_cancelled", "process")

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context,
        process: "Process",
        at: float,
    ) -> None:
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._context = context
        self._at = at
        self.process = process
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self._callback, self._args = None, ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self._at

    def run(self) -> None:
        if self._callback is not None:
            self._context.run(self._callback, *self._args)


class Process:
    """A simulated process: what it has to run, and whether it can."""

    def __init__(self, name: str, loop: "VirtualLoop", clock: Clock | None = None) -> None:
        self.name = name
        self.clock = clock
        self.ready: deque[Handle] = deque()
        self.is_stalled = False
        self.is_dead = False
        self.fuse = 0
        self.stalls_when_sending = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._loop = loop
        self.context = contextvars.Context()
        self.context.run(_running_in.set, self)

    @property
    def can_run(self) -> bool:
        return not self.is_stalled and not self.is_dead

    def start(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run a task in this process; it is kept, so that killing the process never runs its `finally` blocks."""
        task = self._loop.create_task(coroutine, name=name or self.name, context=self.context.copy())
        self.tasks.append(task)
        return task

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Have the process run `callback`, as if something had arrived for it."""
        self._loop.call_soon(callback, *args, context=self.context)

    def stall_after(self, callbacks: int, *, once_sent: bool) -> None:
        """Stop running until `go_on`, once so many more callbacks have run: a stall may come between any two.

        With `once_sent`, stop right after the next message that it sends, when an answer is on its way.
        """
        self.fuse, self.stalls_when_sending = (0, True) if once_sent else (callbacks, False)

    def has_sent(self) -> None:
        """Note that a message left."""
        if self.stalls_when_sending:
            self.fuse, self.stalls_when_sending = 1, False

    def stall(self) -> None:
        """Stop running until `go_on`."""
        self.is_stalled = True
        self._loop.discard(self)

    def go_on(self) -> None:
        """Run what has gathered."""
        self.fuse, self.stalls_when_sending = 0, False
        self.is_stalled = False
        self._loop.admit(self)

    def kill(self) -> None:
        """Drop everything for ever, without a last word."""
        self.is_dead = True
        self.ready.clear()
        self._loop.discard(self)


class Task(asyncio.Task[T]):
    """A task whose place in a set does not depend on its address, so that runs repeat."""

    _made = 0

    def __init__(self, coroutine: Coroutine[Any, Any, T], **rest: Any) -> None:
        self._number = Task._made = Task._made + 1
        super().__init__(coroutine, **rest)
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop without a machine below it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = 0.0
        self._timers: list[tuple[float, int, Handle]] = []
        self._scheduled = 0
        self._runnable: list[Process] = []
        self._closed = False
        self.errors: list[str] = []
        self.turns = 0
        self.world = Process("world", self)
        Task._made = 0

    def time(self) -> float:
        return self._now

    def run_until(self, end: float) -> None:
        """Run everything that comes before `end`."""
        runnable, timers = self._runnable, self._timers
        asyncio._set_running_loop(self)
        try:
            while self._now < end:
                while runnable:
                    place = int(self._random.random() * len(runnable)) if len(runnable) > 1 else 0
                    process = runnable[place]
                    handle = process.ready.popleft()
                    if not process.ready:
                        runnable[place] = runnable[-1]
                        runnable.pop()
                    self.turns += 1
                    if process.fuse:
                        process.fuse -= 1
                        if not process.fuse:
                            process.stall()
                    handle.run()
                if not timers or timers[0][0] >= end:
                    break
                self._now = timers[0][0]
                while timers and timers[0][0] <= self._now:
                    self._arrive(heapq.heappop(timers)[2])
        finally:
            asyncio._set_running_loop(None)
        self._now = end

    def close(self) -> None:
        """Run nothing any more, whatever is asked."""
        self._closed = True
        self._timers.clear()
        self._runnable.clear()

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        if context is None:
            context = contextvars.copy_context()
        handle = Handle(callback, args, context, context.get(_running_in) or self.world, self._now)
        self._arrive(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        if context is None:
            context = contextvars.copy_context()
        handle = Handle(callback, args, context, context.get(_running_in) or self.world, when)
        if not self._closed:
            self._scheduled += 1
            heapq.heappush(self._timers, (when, self._scheduled, handle))
        return handle

    def admit(self, process: Process) -> None:
        """Let a process run that has something to run."""
        if process.can_run and process.ready and process not in self._runnable:
            self._runnable.append(process)

    def discard(self, process: Process) -> None:
        """Let a process run no longer."""
        if process in self._runnable:
            self._runnable.remove(process)

    def _arrive(self, handle: Handle) -> None:
        process = handle.process
        if handle.is_cancelled or process.is_dead or self._closed:
            return
        if not process.ready and not process.is_stalled:
            self._runnable.append(process)
        process.ready.append(handle)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[T]:
        return Task(coro, loop=self, name=str(name or "task"), context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closed:
            self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closed


def current_process() -> Process:
    """Return the process whose callback runs."""
    return _running_in.get()
