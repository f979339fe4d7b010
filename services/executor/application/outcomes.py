"""Collect outcomes and store them in batches as they come. Knows no provider; it never loses what it was told.

It also says how many sends there is room for: an answer frees its place before it is stored. While outcomes cannot be
stored there is no room, so nothing more is taken, nor while as many wait for it as there are places.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import structlog

from executor.application.ports import Begin, Settling
from executor.application.signals import Wake
from executor.domain.change import Change
from executor.domain.late import merge_late
from executor.domain.words import JobState
from kernel.errors import Failure

_BATCH = 1_000
_CROWDED = 8  # a process is crowded whose free places are fewer than one in so many
_GATHERING_SECONDS = 0.01  # how long few outcomes wait for others while many more sends are under way
_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0
_LAST_CHANCE_SECONDS = 5.0

log = structlog.get_logger("executor")


class Outcomes:
    """The sends in flight of one process and what came of them."""

    def __init__(
        self,
        *,
        begin: Begin[Settling],
        capacity: int,
        stored: Callable[[Sequence[Change]], None] = lambda changes: None,
    ) -> None:
        self._begin = begin
        self._capacity = capacity
        self._stored = stored
        self._open: Counter[UUID] = Counter()
        self._in_flight = 0
        self._answered = 0
        self._pending: list[Change] = []
        self._in_trouble = False
        self._closed = False
        self._arrived = Wake()
        self.room_made = Wake()

    @property
    def room(self) -> int:
        """How many more sends may be taken."""
        if self._in_trouble:
            return 0
        return self._capacity - max(self._in_flight - self._answered, self._in_flight - self._capacity)

    @property
    def is_crowded(self) -> bool:
        """Whether so few places are free that a round for them alone would cost more than it gains."""
        return self.room < self._capacity // _CROWDED

    @property
    def in_flight(self) -> int:
        """How many sends are taken and not stored yet."""
        return self._in_flight

    def opened(self, token: UUID, jobs: int) -> None:
        """Count jobs taken under a lease."""
        self._open[token] += jobs
        self._in_flight += jobs

    def add(self, change: Change) -> None:
        """Take what came of one send. It is stored soon, whatever becomes of the one who sent."""
        was_full = self.room < 1
        self._answered += 1
        self._pending.append(change)
        self._arrived.ring()
        if was_full:
            self.room_made.ring()

    def close(self) -> None:
        """Say that no more will come: what is pending is stored, then `run` ends."""
        self._closed = True
        self._arrived.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Store outcomes until closed, which is some time after `stop`."""
        try:
            while not (self._closed and not self._pending):
                self._arrived.quiet()
                if not self._pending:
                    await self._arrived.wait(3600.0)
                    continue
                await self._store_pending()
        except asyncio.CancelledError:
            await self._store_at_last()
            raise

    async def _store_pending(self) -> None:
        """Store all that is pending, however long it takes; a cancellation does not interrupt a commit."""
        wait = _RETRY_SECONDS
        while self._pending:
            if len(self._pending) * _CROWDED < self._in_flight - self._answered:
                await asyncio.sleep(_GATHERING_SECONDS)
            batch, self._pending = self._pending[:_BATCH], self._pending[_BATCH:]
            storing = asyncio.ensure_future(self._store(batch))
            try:
                waited_for = await asyncio.shield(storing)
            except Failure as failure:
                self._pending[:0] = batch
                if not self._in_trouble:
                    log.error("executor.outcomes_not_stored", reason=failure.reason, outcomes=len(self._pending))
                self._in_trouble = True
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_RETRY_SECONDS)
                continue
            except asyncio.CancelledError:
                await asyncio.wait([storing], timeout=_LAST_CHANCE_SECONDS)
                if not storing.done() or storing.exception() is not None:
                    self._pending[:0] = batch
                raise
            if self._in_trouble:
                log.info("executor.outcomes_stored_again")
            self._in_trouble, wait = False, _RETRY_SECONDS
            if waited_for:
                self.room_made.ring()

    async def _store(self, batch: Sequence[Change]) -> bool:
        """Store outcomes; tell whether a round may be waiting for that: for room, or for a job's next try."""
        closing = self._closing(batch)
        async with self._begin() as tx:
            late = await tx.apply(batch, closing=closing)
            if late:
                await self._merge(tx, late)
        waited_for = self.room < 1 or any(change.state is JobState.READY for change in batch)
        self._settle(batch, closing)
        self._stored(batch)
        return waited_for

    async def _merge(self, tx: Settling, refused: Sequence[Change]) -> Sequence[Change]:
        """Store what outcomes still change whose jobs have moved on meanwhile."""
        found = {job.key: (job, attempts) for job, attempts in await tx.lock([change.job.key for change in refused])}
        changes = []
        for change in refused:
            if change.job.key not in found:
                continue
            job, attempts = found[change.job.key]
            number = change.attempt.number if change.attempt is not None else 0
            stored = next((attempt for attempt in attempts if attempt.number == number), None)
            merged = merge_late(job, stored, change)
            if merged is not None:
                changes.append(merged)
        alarm_contradictions(changes)
        return await tx.apply(changes) if changes else ()

    def _closing(self, batch: Iterable[Change]) -> list[UUID]:
        done = Counter(change.job.lease_token for change in batch if change.job.lease_token is not None)
        return [token for token, count in done.items() if self._open.get(token, 0) <= count]

    def _settle(self, batch: Sequence[Change], closed: Iterable[UUID]) -> None:
        for change in batch:
            token = change.job.lease_token
            if token is not None and token in self._open:
                self._open[token] -= 1
        for token in closed:
            self._open.pop(token, None)
        self._in_flight -= len(batch)
        self._answered -= len(batch)

    async def _store_at_last(self) -> None:
        """Use what time a cancellation leaves for what is known and not stored."""
        if not self._pending:
            return
        try:
            async with asyncio.timeout(_LAST_CHANCE_SECONDS):
                await self._store_pending()
        except (TimeoutError, asyncio.CancelledError):
            log.error("executor.outcomes_lost_to_rescue", outcomes=len(self._pending))


def alarm_contradictions(changes: Iterable[Change]) -> None:
    """Raise the alarm for answers that contradict a definite one."""
    for change in changes:
        if change.contradicts and change.attempt is not None:
            log.error(
                "executor.contradiction",
                intent_id=str(change.job.intent_id),
                attempt=change.attempt.number,
                told=change.attempt.contradiction,
            )
