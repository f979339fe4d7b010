"""The parcels for one receiver that this process holds, within a bound. Knows neither the call nor the table.

A parcel is held from the moment it is offered until it is forgotten; meanwhile it is in the queue or in a batch under
way. The table has everything that is held here, so anything may be dropped at any time.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

from chassis.outbox.parcels import Parcel, Receiver


class Memory:
    """A queue of parcels that knows how much it holds and for how long."""

    def __init__(self, receiver: Receiver, *, bound: int) -> None:
        self._receiver = receiver
        self._bound = bound
        self._queue: deque[Parcel] = deque()
        self._held: dict[UUID, tuple[Parcel, float]] = {}
        self._items = 0
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self.bytes = 0

    def __contains__(self, parcel: Parcel) -> bool:
        return parcel.parcel_id in self._held

    @property
    def empty(self) -> bool:
        """Nothing is held, neither queued nor under way."""
        return not self._held

    @property
    def waiting(self) -> bool:
        """Something is queued."""
        return bool(self._queue)

    @property
    def room(self) -> int:
        """How many bytes more may be offered."""
        return self._bound - self.bytes

    @property
    def half_empty(self) -> bool:
        """There is room enough to make fetching worth its while."""
        return self.bytes < self._bound // 2

    def offer(self, parcel: Parcel) -> bool:
        """Hold the parcel unless it is held already or there is no room; one that exceeds all bounds is held alone."""
        size = len(parcel.payload)
        if parcel in self or (self._held and size > self.room):
            return False
        self._held[parcel.parcel_id] = (parcel, asyncio.get_running_loop().time())
        self._queue.append(parcel)
        self.bytes += size
        self._items += parcel.items
        self._arrived.set()
        if self.bytes >= self._receiver.max_bytes or self._items >= self._receiver.max_items:
            self._full.set()
        return True

    async def wait(self) -> None:
        """Wait until something is queued."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()

    async def wait_until_full(self) -> None:
        """Wait until a whole call's worth is held."""
        await self._full.wait()

    def take(self) -> list[Parcel]:
        """Take from the queue as much as one call may carry, and at least one parcel."""
        batch: list[Parcel] = []
        size = items = 0
        while self._queue:
            parcel = self._queue[0]
            size += len(parcel.payload)
            items += parcel.items
            if batch and (size > self._receiver.max_bytes or items > self._receiver.max_items):
                break
            batch.append(self._queue.popleft())
        return batch

    def put_back(self, batch: Sequence[Parcel]) -> None:
        """Queue again, in front, what is still held of a batch."""
        self._queue.extendleft(parcel for parcel in reversed(batch) if parcel in self)

    def forget(self, parcels: Iterable[Parcel]) -> None:
        """Let go of parcels that were delivered or put off."""
        for parcel in parcels:
            if self._held.pop(parcel.parcel_id, None) is not None:
                self.bytes -= len(parcel.payload)
                self._items -= parcel.items
        if self.bytes < self._receiver.max_bytes and self._items < self._receiver.max_items:
            self._full.clear()

    def held(self, *, longer_than: float) -> list[UUID]:
        """Return the parcels that came or were renewed at least so many seconds ago."""
        before = asyncio.get_running_loop().time() - longer_than
        return [parcel_id for parcel_id, (_, since) in self._held.items() if since <= before]

    def renewed(self, asked: Sequence[UUID], there: set[UUID]) -> None:
        """Note new leases, and let go of queued parcels that are not in the table: another process delivered them."""
        now = asyncio.get_running_loop().time()
        queued = {parcel.parcel_id for parcel in self._queue}
        for parcel_id in self._held.keys() & set(asked):
            parcel, _ = self._held[parcel_id]
            if parcel_id in there:
                self._held[parcel_id] = (parcel, now)
            elif parcel_id in queued:
                self._queue.remove(parcel)
                self.forget([parcel])

    def drop_all(self) -> list[UUID]:
        """Let go of everything and return what it was."""
        parcel_ids = list(self._held)
        self._queue.clear()
        self._held.clear()
        self._full.clear()
        self.bytes = self._items = 0
        return parcel_ids
