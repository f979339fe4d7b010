"""Know at any time about how much waits for each receiver, without counting each time it is asked. Knows no delivery.

A count of the whole table now and then, and what this process has added and had confirmed since: other processes' share
is at most as old as the last count.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import structlog
from opentelemetry import metrics

from chassis.outbox.parcels import Backlog, Parcel
from chassis.outbox.store import Store
from kernel.errors import Failure

# A count reads the table: the longer it takes, the more seldom it is made, up to once a minute.
_SOONEST, _LATEST = 1.0, 60.0
_REST_FOR_WORK = 50
_log = structlog.get_logger("outbox")
_meter = metrics.get_meter("whatlead.outbox")
_waiting = _meter.create_gauge("whatlead.outbox.waiting_items", unit="{item}", description="Not confirmed yet.")
_oldest = _meter.create_gauge("whatlead.outbox.oldest_age", unit="s", description="How long the oldest has waited.")


class BacklogMeter:
    """The backlog of one database's outbox, as one of its processes knows it."""

    def __init__(self, store: Store, receivers: Sequence[str]) -> None:
        self._store = store
        self._receivers = receivers
        self._counted: dict[str, Backlog] = {}
        self._since: Counter[str] = Counter()

    def added(self, parcel: Parcel) -> None:
        """Note a parcel that was stored."""
        self._since[parcel.receiver] += parcel.items

    def confirmed(self, parcels: Sequence[Parcel]) -> None:
        """Note parcels that are in the table no more."""
        for parcel in parcels:
            self._since[parcel.receiver] -= parcel.items

    def items(self, receiver: str) -> int:
        """Return about how many items wait for `receiver`."""
        counted = self._counted.get(receiver)
        return max(0, self._since[receiver] + (counted.items if counted is not None else 0))

    async def count(self) -> None:
        """Count what waits. Raises `Failure` when the database does not answer."""
        before = self._since.copy()
        self._counted = {backlog.receiver: backlog for backlog in await self._store.backlog()}
        self._since.subtract(before)
        for receiver in self._receivers:
            counted = self._counted.get(receiver)
            label = {"receiver": receiver}
            _waiting.set(counted.items if counted is not None else 0, label)
            _oldest.set((counted.oldest if counted is not None else timedelta(0)).total_seconds(), label)

    async def run(self) -> None:
        """Count until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self.count()
            except Failure as failure:
                _log.warning("outbox.not_counted", reason=failure.reason)
            await asyncio.sleep(min(max(_SOONEST, _REST_FOR_WORK * (loop.time() - began)), _LATEST))
