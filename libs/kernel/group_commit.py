"""Group commit without a timer: an idle writer begins at once, and what arrives meanwhile is its next batch.

Knows nothing of what it writes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from kernel.errors import Failure, Kind

T = TypeVar("T")
R = TypeVar("R")
_RETRY_AFTER = timedelta(seconds=1)


class GroupCommit(Generic[T, R]):
    """Gives everything that waits to one call of `write`, up to `most` by `size`.

    If a batch fails with anything but a Failure, its parts are written one by one, so that one cannot harm the others.
    """

    def __init__(
        self,
        *,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        size: Callable[[T], int],
        most: int,
        queue_limit: int,
    ) -> None:
        self._write = write
        self._size = size
        self._most = most
        self._queue_limit = queue_limit
        self._queue: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._queued = 0
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, part: T) -> R:
        """Return what became of `part`. Raises Failure RESOURCE_EXHAUSTED, QUEUE_FULL if too much waits."""
        size = self._size(part)
        if self._queued + size > self._queue_limit and self._queue:
            raise Failure(
                Kind.RESOURCE_EXHAUSTED, "QUEUE_FULL", "too much waits to be stored", retry_after=_RETRY_AFTER
            )
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append((part, future))
        self._queued += size
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all(), name="group-commit")
        return await future

    async def _write_all(self) -> None:
        try:
            while self._queue:
                await self._write_batch(self._take())
        finally:
            self._writer = None

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch = [self._queue.popleft()]
        size = self._size(batch[0][0])
        while self._queue and size + self._size(self._queue[0][0]) <= self._most:
            batch.append(self._queue.popleft())
            size += self._size(batch[-1][0])
        self._queued -= size
        return [(part, future) for part, future in batch if not future.cancelled()]

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
