"""The transactional outbox: a parcel is stored with the fact, sent on from memory after the commit, and relayed from
the table when it was not confirmed within its lease. Knows no service and no message type.
"""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from chassis.database import Database, Transaction
from chassis.outbox.backlog import BacklogMeter
from chassis.outbox.confirmation import Confirmations
from chassis.outbox.lane import Lane
from chassis.outbox.parcels import Backlog, Parcel, Receiver, check_size, merged
from chassis.outbox.refused import RefusedItems
from chassis.outbox.store import Store
from kernel.errors import Failure

_DRAIN = timedelta(seconds=5)
_LEASES_UNTIL_OLD = 4
_log = structlog.get_logger("outbox")


class PostingTransaction(Transaction):
    """A transaction that carries parcels: stored by its commit, sent on right after it."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.connection)
        self.posts: dict[str, list[Parcel]] = defaultdict(list)

    def post(self, receiver: str, payload: bytes, items: int) -> None:
        """Have `payload` delivered to `receiver` if this transaction commits. Nothing is awaited here."""
        self.posts[receiver].append(Parcel(receiver=receiver, payload=payload, items=items))


class Outbox:
    """Everything this process has to tell its receivers."""

    def __init__(
        self,
        database: Database,
        receivers: Sequence[Receiver],
        *,
        lease: timedelta = timedelta(seconds=5),
        memory_bytes: int = 32_000_000,
    ) -> None:
        self._database = database
        self._store = Store(database, lease=lease)
        self._lease = lease.total_seconds()
        self._changed = asyncio.Event()
        self._running = False
        self.refused = RefusedItems(database)
        self._meter = BacklogMeter(self._store, [receiver.name for receiver in receivers])
        self._confirmations = Confirmations(self._store, settled=self._changed.set, confirmed=self._meter.confirmed)
        self._lanes = {
            receiver.name: Lane(
                receiver,
                confirmations=self._confirmations,
                defer=self._store.defer,
                settled=self._changed.set,
                memory_bytes=memory_bytes // len(receivers),
            )
            for receiver in receivers
        }

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostingTransaction]:
        """Like `Database.transaction`, with parcels posted on it stored in its commit and sent after it."""
        parcels: list[Parcel] = []
        async with self._database.transaction() as tx:
            posting = PostingTransaction(tx)
            yield posting
            for name, posts in posting.posts.items():
                receiver = self._lane(name).receiver
                for post in posts:
                    check_size(receiver, post)
                parcels += merged(posts, max_bytes=receiver.max_bytes, max_items=receiver.max_items)
            await self._store.insert(tx, parcels)
        for parcel in parcels:
            self.send(parcel)

    async def put(self, tx: Transaction, *, receiver: str, payload: bytes, items: int) -> Parcel:
        """Store a parcel in the caller's transaction; hand it to `send` once that has committed."""
        parcel = Parcel(receiver=receiver, payload=payload, items=items)
        check_size(self._lane(receiver).receiver, parcel)
        await self._store.insert(tx, [parcel])
        return parcel

    def send(self, parcel: Parcel) -> None:
        """Send a committed parcel on from memory; if that is full or old ones wait, the relay finds it in the table."""
        lane = self._lane(parcel.receiver)
        self._meter.added(parcel)
        if not lane.behind:
            lane.memory.offer(parcel)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver and relay until `stop`; then drain for a few seconds and leave the rest to others at once."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                workers = [*self._start(group), group.create_task(self._relay(stop), name="outbox.relay")]
                await stop.wait()
                await self._wait_until_idle(_DRAIN)
                for worker in workers:
                    worker.cancel()
        finally:
            self._running = False
        await self._leave()

    async def flush(self, timeout: timedelta = _DRAIN) -> bool:
        """Deliver and confirm what is in memory, also after `run` has ended. Return whether all of it was."""
        if self._running:
            return await self._wait_until_idle(timeout)
        async with asyncio.TaskGroup() as group:
            workers = self._start(group)
            emptied = await self._wait_until_idle(timeout)
            for worker in workers:
                worker.cancel()
        if not emptied:
            await self._leave()
        return emptied

    async def backlog(self) -> list[Backlog]:
        """Return what waits in the table, per receiver; receivers for whom nothing waits are not listed."""
        return await self._store.backlog()

    async def forget_refused(self, before: datetime, *, most: int) -> int:
        """Delete items that were set aside before then, at most `most`; return how many."""
        return await self._store.forget_refused(before, most=most)

    def waiting(self, receiver: str) -> int:
        """Return about how many items wait for `receiver`; costs nothing (see BacklogMeter for how old it may be)."""
        return self._meter.items(receiver)

    @property
    def held_bytes(self) -> int:
        """How much is in memory."""
        return sum(lane.memory.bytes for lane in self._lanes.values())

    def _lane(self, receiver: str) -> Lane:
        try:
            return self._lanes[receiver]
        except KeyError:
            raise ValueError(f"the outbox has no receiver {receiver!r}") from None

    def _start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        tasks = [
            group.create_task(self._confirmations.run(), name="outbox.confirm"),
            group.create_task(self._meter.run(), name="outbox.count"),
        ]
        for name, lane in self._lanes.items():
            tasks.append(group.create_task(lane.run(), name=f"outbox.{name}"))
        return tasks

    async def _wait_until_idle(self, timeout: timedelta) -> bool:
        for lane in self._lanes.values():
            lane.hurry = True
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                while not (self._confirmations.idle and all(lane.memory.empty for lane in self._lanes.values())):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        finally:
            for lane in self._lanes.values():
                lane.hurry = False
        return True

    async def _relay(self, stop: asyncio.Event) -> None:
        """Take over what was not confirmed within its lease, and renew the leases of what is in memory."""
        while not stop.is_set():
            try:
                for lane in self._lanes.values():
                    await self._relay_lane(lane)
            except Failure as failure:
                _log.warning("outbox.relay_failed", reason=failure.reason)
            pause = self._lease / 5 * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wait_until_hungry()

    async def _relay_lane(self, lane: Lane) -> None:
        name = lane.receiver.name
        if held := lane.memory.held(longer_than=self._lease / 3):
            lane.memory.renewed(held, await self._store.renew(name, held))
            self._changed.set()
        if lane.hungry:
            lane.expects_more = False
            claimed = await self._store.claim(name, bytes_=lane.memory.room)
            for parcel in claimed:
                lane.memory.offer(parcel)
            lane.expects_more = bool(claimed)
            lane.behind = bool(claimed) and claimed[0].age > self._lease * _LEASES_UNTIL_OLD

    async def _wait_until_hungry(self) -> None:
        """Wait until a lane has worked off what it was given from the table."""
        while not any(lane.expects_more and lane.hungry for lane in self._lanes.values()):
            self._changed.clear()
            await self._changed.wait()

    async def _leave(self) -> None:
        for name, lane in self._lanes.items():
            if left := lane.memory.drop_all():
                try:
                    await self._store.release(name, left)
                except Failure as failure:
                    _log.warning("outbox.release_failed", reason=failure.reason, parcels=len(left))
