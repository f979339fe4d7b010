"""Group commit without a timer: an idle writer begins at once, and what arrives meanwhile is its next batch.

Knows nothing of what it writes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from kernel.errors import Failure, Kind

T = TypeVar("T")
R = TypeVar("R")
_RETRY_AFTER = timedelta(seconds=1)
_WRITERS = 2


class GroupCommit(Generic[T, R]):
    """Gives everything that waits to one call of `write`, up to `most` by `size`.

    An owner's parts are written in their order, one batch after another. While one owner's batch is written a second
    writer serves the others, and each batch takes from all owners in turn: nobody waits behind another's queue.
    If a batch fails with anything but a Failure, its parts are written one by one, so that one cannot harm the others.
    """

    def __init__(
        self,
        *,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        size: Callable[[T], int],
        most: int,
        queue_limit: int,
        owner: Callable[[T], Hashable] = lambda _: None,
    ) -> None:
        self._write = write
        self._size = size
        self._most = most
        self._queue_limit = queue_limit
        self._owner = owner
        self._queues: dict[Hashable, deque[tuple[T, asyncio.Future[R]]]] = {}  # the first is the next to be served
        self._queued = 0
        self._being_written: set[Hashable] = set()
        self._writers: set[asyncio.Task[None] | None] = set()

    async def submit(self, part: T) -> R:
        """Return what became of `part`. Raises Failure RESOURCE_EXHAUSTED, QUEUE_FULL if too much waits."""
        size = self._size(part)
        if self._queued and self._queued + size > self._queue_limit:
            raise Failure(
                Kind.RESOURCE_EXHAUSTED, "QUEUE_FULL", "too much waits to be stored", retry_after=_RETRY_AFTER
            )
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        owner = self._owner(part)
        self._queues.setdefault(owner, deque()).append((part, future))
        self._queued += size
        if owner not in self._being_written and len(self._writers) < _WRITERS:
            self._writers.add(asyncio.create_task(self._write_all(), name="group-commit"))
        return await future

    async def _write_all(self) -> None:
        try:
            while owners := [owner for owner in self._queues if owner not in self._being_written]:
                await self._write_next(owners)
        finally:
            self._writers.discard(asyncio.current_task())

    async def _write_next(self, owners: Sequence[Hashable]) -> None:
        batch = self._take(owners)
        served = {self._owner(part) for part, _ in batch}
        self._being_written |= served
        try:
            await self._write_batch([(part, future) for part, future in batch if not future.cancelled()])
        finally:
            self._being_written -= served

    def _take(self, owners: Sequence[Hashable]) -> list[tuple[T, asyncio.Future[R]]]:
        """Take a part of each owner in turn, until the next would be too much."""
        batch: list[tuple[T, asyncio.Future[R]]] = []
        turns = deque(owners)
        size = 0
        while turns:
            owner = turns.popleft()
            queue = self._queues.pop(owner)
            size += self._size(queue[0][0])
            if batch and size > self._most:
                self._queues = {owner: queue, **self._queues}
                break
            batch.append(queue.popleft())
            self._queued -= self._size(batch[-1][0])
            if queue:
                self._queues[owner] = queue
                turns.append(owner)
        return batch

    async def _write_batch(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        if not batch:
            return
        try:
            results = await self._write([part for part, _ in batch])
        except Failure as failure:
            for _, future in batch:
                _fail(future, failure)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits, one by one if there are several
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            for part, future in batch:
                await self._write_batch([(part, future)])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(future: "asyncio.Future[R]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
