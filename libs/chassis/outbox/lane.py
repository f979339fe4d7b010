"""Carry the parcels for one receiver, one call at a time; what arrives meanwhile is the next call. Knows no table.

A call that did not get through is repeated after a backoff. A call that was refused as a whole is taken apart, parcel
by parcel and then item by item, so that a poison item is set aside and blocks nobody.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never
from uuid import UUID

import structlog

from chassis.outbox.confirmation import Confirmations
from chassis.outbox.delivery import (
    Delivered,
    Outcome,
    Rejected,
    Sifted,
    Troubled,
    Unreachable,
    deliver,
    items_of,
    set_aside,
    sift,
)
from chassis.outbox.parcels import Parcel, Receiver, Refusal
from kernel.errors import Failure

_FIRST_BACKOFF = 0.05
_LONGEST_BACKOFF = 5.0
_TRIES_BEFORE_SIFTING_TROUBLE = 3
_log = structlog.get_logger("outbox")


class Defer(Protocol):
    """Put parcels off in the table."""

    async def __call__(self, receiver: str, parcel_ids: Sequence[UUID]) -> None: ...


class Lane:
    """The parcels in memory for one receiver."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        confirmations: Confirmations,
        defer: Defer,
        settled: Callable[[], None],
        memory_bytes: int,
    ) -> None:
        self.receiver = receiver
        self._confirmations = confirmations
        self._defer = defer
        self._settled = settled
        self._memory_bytes = memory_bytes
        self._queue: deque[Parcel] = deque()
        self._held: dict[UUID, tuple[Parcel, float]] = {}
        self.held_bytes = 0
        self._items = 0
        self._failures = 0
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self.hurry = False
        self.expects_more = False

    @property
    def idle(self) -> bool:
        """Nothing is in memory."""
        return not self._held

    @property
    def has_room(self) -> bool:
        """Parcels may be taken from the table: memory is half empty and nothing in it waits for the receiver."""
        return (self._failures == 0 or self.idle) and self.held_bytes < self._memory_bytes // 2

    @property
    def room(self) -> int:
        """How many bytes more may be taken."""
        return self._memory_bytes - self.held_bytes

    def held(self, *, longer_than: float = 0.0) -> list[UUID]:
        """Return the parcels in memory that came or were renewed at least so many seconds ago."""
        before = asyncio.get_running_loop().time() - longer_than
        return [parcel_id for parcel_id, (_, since) in self._held.items() if since <= before]

    def offer(self, parcel: Parcel) -> bool:
        """Take the parcel into memory unless it is there or memory is full."""
        size = len(parcel.payload)
        if parcel.parcel_id in self._held or (self._held and self.held_bytes + size > self._memory_bytes):
            return False
        self._held[parcel.parcel_id] = (parcel, asyncio.get_running_loop().time())
        self._queue.append(parcel)
        self.held_bytes += size
        self._items += parcel.items
        self._wake.set()
        if self.held_bytes >= self.receiver.max_bytes or self._items >= self.receiver.max_items:
            self._full.set()
        return True

    def renewed(self, asked: Sequence[UUID], there: set[UUID]) -> None:
        """Note new leases and forget parcels that another process has delivered meanwhile."""
        now = asyncio.get_running_loop().time()
        queued = {parcel.parcel_id for parcel in self._queue}
        for parcel_id in asked:
            if parcel_id not in self._held:
                continue
            parcel, _ = self._held[parcel_id]
            if parcel_id in there:
                self._held[parcel_id] = (parcel, now)
            elif parcel_id in queued:
                self._queue.remove(parcel)
                self._forget([parcel])
                self._settled()

    def drop_all(self) -> list[UUID]:
        """Empty the memory; the table still has everything."""
        parcel_ids = list(self._held)
        self._queue.clear()
        self._held.clear()
        self.held_bytes = self._items = 0
        return parcel_ids

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._linger()
                await self._deliver(self._take())
                await self._back_off()
            self._settled()

    async def _linger(self) -> None:
        if self.receiver.linger and not self.hurry and not self._full.is_set():
            try:
                async with asyncio.timeout(self.receiver.linger.total_seconds()):
                    await self._full.wait()
            except TimeoutError:
                pass

    def _take(self) -> list[Parcel]:
        batch: list[Parcel] = []
        size = items = 0
        while self._queue:
            parcel = self._queue[0]
            size += len(parcel.payload)
            items += parcel.items
            if batch and (size > self.receiver.max_bytes or items > self.receiver.max_items):
                break
            batch.append(self._queue.popleft())
        return batch

    async def _deliver(self, batch: list[Parcel]) -> None:
        try:
            outcome = await deliver(self.receiver, b"".join(parcel.payload for parcel in batch))
            match outcome:
                case Delivered():
                    self._delivered(batch, outcome.refusals)
                case Unreachable():
                    self._failed(outcome.reason)
                case Rejected() | Troubled() if len(batch) > 1:
                    await self._deliver_one_by_one(batch)
                case Rejected() | Troubled():
                    await self._deliver_alone(batch[0], outcome)
                case _:
                    assert_never(outcome)
        finally:
            for parcel in reversed(batch):  # what is neither confirmed nor put off is tried again
                if parcel.parcel_id in self._held:
                    self._queue.appendleft(parcel)

    async def _deliver_one_by_one(self, batch: Sequence[Parcel]) -> None:
        for parcel in batch:
            outcome = await deliver(self.receiver, parcel.payload)
            await self._deliver_alone(parcel, outcome)
            if isinstance(outcome, Unreachable):
                return

    async def _deliver_alone(self, parcel: Parcel, outcome: Outcome) -> None:
        match outcome:
            case Delivered():
                self._delivered([parcel], outcome.refusals)
            case Unreachable():
                self._failed(outcome.reason)
            case Troubled() if parcel.tries < _TRIES_BEFORE_SIFTING_TROUBLE:
                await self._put_off(parcel, outcome.reason)
            case Rejected() | Troubled():
                await self._take_apart(parcel, outcome)
            case _:
                assert_never(outcome)

    async def _take_apart(self, parcel: Parcel, outcome: Rejected | Troubled) -> None:
        sifted = Sifted()
        await sift(self.receiver, items_of(self.receiver, parcel), sifted=sifted, known=outcome)
        if sifted.unreachable is not None:
            self._failed(sifted.unreachable)
        elif sifted.troubled:
            await self._put_off(parcel, outcome.reason)
        else:
            self._delivered([parcel], sifted.refusals)

    async def _put_off(self, parcel: Parcel, reason: str) -> None:
        _log.error(
            "outbox.parcel_deferred",
            receiver=parcel.receiver,
            parcel_id=str(parcel.parcel_id),
            reason=reason,
            tries=parcel.tries,
        )
        try:
            await self._defer(parcel.receiver, [parcel.parcel_id])
        except Failure as failure:
            self._failed(failure.reason)
        else:
            self._failures += 1
            self._forget([parcel])

    def _delivered(self, parcels: Sequence[Parcel], refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            _log.error(
                "outbox.item_refused", receiver=self.receiver.name, item_id=refusal.item_id, reason=refusal.reason
            )
        self._failures = 0
        self._confirmations.add(parcels, set_aside(self.receiver, parcels, refusals))
        self._forget(parcels)
        if self.expects_more and self.has_room:
            self._settled()

    def _failed(self, reason: str) -> None:
        self._failures += 1
        _log.warning("outbox.unreachable", receiver=self.receiver.name, reason=reason, failures=self._failures)

    def _forget(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            if self._held.pop(parcel.parcel_id, None) is not None:
                self.held_bytes -= len(parcel.payload)
                self._items -= parcel.items
        if self.held_bytes < self.receiver.max_bytes and self._items < self.receiver.max_items:
            self._full.clear()

    async def _back_off(self) -> None:
        if self._failures:
            ceiling = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(self._failures, 10))
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - not a secret
