"""Carry the parcels for one receiver, one call at a time; what arrives meanwhile is the next call. Knows no table.

A call that did not get through is repeated after a backoff. A call that was refused as a whole is taken apart, parcel
by parcel and then item by item, so that a poison item is set aside and blocks nobody.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never
from uuid import UUID

import structlog
from opentelemetry import metrics

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
from chassis.outbox.memory import Memory
from chassis.outbox.parcels import Parcel, Receiver, Refusal
from kernel.errors import Failure

_FIRST_BACKOFF = 0.05
_LONGEST_BACKOFF = 2.0
_TRIES_BEFORE_SIFTING_TROUBLE = 3
_log = structlog.get_logger("outbox")
_meter = metrics.get_meter("whatlead.outbox")
_items_delivered = _meter.create_counter("whatlead.outbox.items_delivered", unit="{item}")
_items_refused = _meter.create_counter("whatlead.outbox.items_refused", unit="{item}")
_failed_deliveries = _meter.create_counter("whatlead.outbox.failed_deliveries", unit="{delivery}")


class Defer(Protocol):
    """Put parcels off in the table."""

    async def __call__(self, receiver: str, parcel_ids: Sequence[UUID]) -> None: ...


class Lane:
    """The way to one receiver."""

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
        self._label = {"receiver": receiver.name}
        self._confirmations = confirmations
        self._defer = defer
        self._settled = settled
        self._failures = 0
        self.memory = Memory(receiver, bound=memory_bytes)
        self.hurry = False
        self.expects_more = False
        self.behind = False  # what waits in the table is so old that new parcels take their turn there

    @property
    def hungry(self) -> bool:
        """Parcels may be taken from the table: memory is half empty and nothing in it waits for the receiver."""
        return self.memory.half_empty and (self._failures == 0 or self.memory.empty)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self.memory.wait()
            await self._linger()
            await self._deliver(self.memory.take())
            if self.memory.empty or (self.expects_more and self.hungry):
                self._settled()
            await self._back_off()

    async def _linger(self) -> None:
        if self.receiver.linger and not self.hurry:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.receiver.linger.total_seconds()):
                    await self.memory.wait_until_full()

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
            self.memory.put_back(batch)  # what is neither delivered nor put off is tried again

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
            self.memory.forget([parcel])

    def _delivered(self, parcels: Sequence[Parcel], refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            _log.error(
                "outbox.item_refused", receiver=self.receiver.name, item_id=refusal.item_id, reason=refusal.reason
            )
        if refusals:
            _items_refused.add(len(refusals), self._label)
        _items_delivered.add(sum(parcel.items for parcel in parcels) - len(refusals), self._label)
        self._failures = 0
        self._confirmations.add(parcels, set_aside(self.receiver, parcels, refusals))
        self.memory.forget(parcels)

    def _failed(self, reason: str) -> None:
        self._failures += 1
        _failed_deliveries.add(1, self._label)
        _log.warning("outbox.unreachable", receiver=self.receiver.name, reason=reason, failures=self._failures)

    async def _back_off(self) -> None:
        if self._failures:
            ceiling = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(self._failures, 10))
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - not a secret
