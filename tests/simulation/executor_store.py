"""The executors' database in memory: jobs, lanes and leases behind the ports of their use cases. Decides nothing.

Simple but honest: a take locks lanes and jobs until its commit, gives slots, and passes over what another has locked.
"""

import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from tests.simulation.clock import EPOCH
from tests.simulation.server import Locked, Server, Session

from executor.application.ports import Allowed, DueScope, TakeOrder
from executor.domain.change import Change
from executor.domain.job import Attempt, Job, JobKey, Scope, TakenJob, Text
from executor.domain.words import JobState, Reason

_TEXT = Text(body="hello")
_RAMP_CLAIM = 0.1


@dataclass(slots=True, eq=False)
class Row:
    """One job. `due_at` in true seconds."""

    job: Job
    due_at: float | None
    attempts: list[Attempt] = field(default_factory=list)
    locked_by: Session | None = None


@dataclass(slots=True, eq=False)
class LaneRow:
    """One lane."""

    organization_id: str
    instance_id: str
    gap: float
    next_at: float = 0.0
    ramp_at: float = 0.0
    locked_by: Session | None = None


@dataclass(slots=True, eq=False)
class Waiting:
    """The READY jobs of one scope, soonest first; entries that are no longer true are passed over."""

    lane: LaneRow
    heap: list[tuple[float, int, Row]] = field(default_factory=list)


class Work:
    """One transaction of any of the executor's use cases."""

    def __init__(self, store: "Store", session: Session) -> None:
        self._store = store
        self._session = session

    async def take(self, order: TakeOrder) -> Sequence[TakenJob]:
        return await self._run(lambda: self._take(order))

    async def apply(self, changes: Sequence[Change], *, closing: Sequence[UUID] = ()) -> Sequence[Change]:
        def store() -> list[Change]:
            for change in changes:
                self._lock(self._store.rows[change.job.key])
            for token in closing:
                self._close(token)
            return [change for change in changes if not self._apply(change)]

        return await self._run(store)

    async def lock_due(self, scopes: Sequence[Scope], *, per_scope: int, jobs: int) -> Sequence[Job]:
        def lock() -> list[Job]:
            found = [row for scope in scopes for row in self._store.due(scope, 0.0, per_scope)][:jobs]
            return [self._lock(row).job for row in found]

        return await self._run(lock)

    async def lock_leased(self, tokens: Sequence[UUID]) -> Sequence[Job]:
        def lock() -> list[Job]:
            leased = [self._store.rows[key] for token in tokens for key in self._store.leases.get(token, (0.0, ()))[1]]
            mine = [row for row in leased if row.job.state is JobState.SENDING and row.job.lease_token in tokens]
            return [self._lock(row).job for row in mine]

        return await self._run(lock)

    async def lock(self, keys: Sequence[JobKey]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        def lock() -> list[tuple[Job, tuple[Attempt, ...]]]:
            rows = [self._lock(self._store.rows[key]) for key in keys if key in self._store.rows]
            return [(row.job, tuple(row.attempts)) for row in rows]

        return await self._run(lock)

    async def lapsed_leases(self, *, leases: int) -> Sequence[UUID]:
        now = self._store.now
        return await self._run(
            lambda: [token for token, (until, _) in self._store.leases.items() if until <= now()][:leases]
        )

    async def lock_lapsed(self, *, jobs: int) -> Sequence[Job]:
        return ()

    async def next_due(self) -> float | None:
        untils = [until for until, _ in self._store.leases.values()]
        return min(untils) - self._store.now() if untils else None

    async def _run(self, effect: Callable[[], Any]) -> Any:
        return await self._store.server.run(effect, writes=True, session=self._session)

    def _take(self, order: TakeOrder) -> list[TakenJob]:
        store, now = self._store, self._store.now()
        offers: list[tuple[float, int, Row, LaneRow, Allowed]] = []
        for scope, allowed in order.scopes:
            lane = store.waiting[scope].lane
            if lane.locked_by not in (None, self._session):
                continue
            self._lock(lane)
            for place, row in enumerate(store.due(scope, order.horizon, order.per_scope)):
                offers.append((row.due_at or 0.0, place, row, lane, allowed))
        offers.sort(key=lambda offer: offer[:2])
        taken: list[TakenJob] = []
        for due_at, _, row, lane, allowed in offers:
            slot, latest = max(now, due_at, lane.next_at), now + order.horizon
            if allowed.rate_factor < 1:  # goes by the lane's second clock too, and claims no slot far ahead
                slot, latest = max(slot, lane.ramp_at), min(latest, max(now, lane.next_at) + _RAMP_CLAIM)
            if slot > latest or len(taken) == order.jobs:
                continue
            self._change(lane, next_at=slot + lane.gap)
            if allowed.rate_factor < 1:
                self._change(lane, ramp_at=slot + lane.gap / allowed.rate_factor)
            job = replace(
                row.job,
                state=JobState.SENDING,
                reason="",
                held_by=(),
                attempt=row.job.attempt + 1,
                tries=row.job.tries + 1,
                lease_token=order.token,
                taken_at=EPOCH + timedelta(seconds=now),
                control_version=allowed.control_version,
                platform_version=order.platform_version,
            )
            self._change(self._lock(row), job=job, due_at=None)
            taken.append(TakenJob(job=job, provider_account="1", recipient="+1", content=_TEXT, slot_in=slot - now))
        if taken:
            store.leases[order.token] = (now + order.lease_seconds, tuple(one.job.key for one in taken))
            self._session.undo.append(lambda: store.leases.pop(order.token, None) and None)
        return taken

    def _apply(self, change: Change) -> bool:
        store, old = self._store, change.job
        row = store.rows[old.key]
        now = row.job
        if (now.state, now.attempt, now.lease_token) != (old.state, old.attempt, old.lease_token):
            return False
        ready = change.state is JobState.READY
        due_at = row.due_at
        if ready and change.retry_in is not None:
            due_at = store.now() + change.retry_in
            if change.retry_by is not None:
                due_at = min(due_at, (change.retry_by - EPOCH).total_seconds())
        job = replace(
            now,
            state=change.state,
            reason=change.reason,
            tries=change.tries,
            held_by=change.held_by,
            lease_token=None if ready or change.state is not JobState.SENDING else now.lease_token,
        )
        self._change(row, job=job, due_at=due_at if ready else None)
        if change.attempt is not None:
            kept = [one for one in row.attempts if one.number != change.attempt.number]
            self._change(row, attempts=[*kept, change.attempt])
        return True

    def _close(self, token: UUID) -> None:
        lease = self._store.leases.pop(token, None)
        if lease is not None:
            self._session.undo.append(lambda: self._store.leases.__setitem__(token, lease))

    def _lock(self, row: Any) -> Any:
        if row.locked_by is not self._session:
            if row.locked_by is not None:
                raise Locked
            row.locked_by = self._session
            self._session.on_end.append(lambda: self._unlock(row))
        return row

    def _unlock(self, row: Any) -> None:
        row.locked_by = None
        if isinstance(row, Row):
            self._store.offer(row)

    def _change(self, row: Any, **values: object) -> None:
        for name, value in values.items():
            self._session.undo.append(partial(setattr, row, name, getattr(row, name)))
            setattr(row, name, value)


class Store:
    """The database that all executors share."""

    def __init__(self, server: Server, now: Callable[[], float]) -> None:
        self.server = server
        self.now = now
        self.rows: dict[JobKey, Row] = {}
        self.waiting: dict[Scope, Waiting] = {}
        self.leases: dict[UUID, tuple[float, tuple[JobKey, ...]]] = {}
        self._held: dict[Row, None] = {}
        self._offered = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        session = self.server.session()
        try:
            yield Work(self, session)
            await self.server.run(lambda: session.end(commit=True), writes=True, session=session)
        finally:
            session.end(commit=False)

    async def due_scopes(self, *, scopes: int) -> Sequence[DueScope]:
        return await self.server.run(self._due_scopes)

    async def release_held(self, live_ids: Sequence[UUID], *, jobs: int) -> int:
        return await self.server.run(lambda: self._release(live_ids, jobs), writes=True)

    async def mark_unreachable(self, scopes: Sequence[Scope], *, per_scope: int, jobs: int) -> None:
        def mark() -> None:
            for scope in scopes:
                for row in self.due(scope, 0.0, per_scope):
                    row.job = replace(row.job, reason=Reason.CONTROL_UNREACHABLE)

        await self.server.run(mark, writes=True)

    def insert(self, job: Job) -> None:
        """Add a job that is due now."""
        row = self.rows[job.key] = Row(job=job, due_at=self.now())
        self.offer(row)

    def offer(self, row: Row) -> None:
        """Put a job where takes look, if it waits."""
        if row.due_at is not None and row.job.state is JobState.READY:
            self._offered += 1
            if row.job.held_by:
                self._held[row] = None
            heapq.heappush(self.waiting[row.job.scope].heap, (row.due_at, self._offered, row))

    def due(self, scope: Scope, horizon: float, count: int) -> list[Row]:
        """Return jobs of a scope that are due within `horizon` and that nobody has locked, soonest first."""
        heap, until, found = self.waiting[scope].heap, self.now() + horizon, []
        again = []
        while heap and len(found) < count and heap[0][0] <= until:
            entry = heapq.heappop(heap)
            row = entry[2]
            if row.job.state is JobState.READY and row.due_at == entry[0] and row not in found:
                again.append(entry)
                if row.locked_by is None:
                    found.append(row)
        for entry in again:
            heapq.heappush(heap, entry)
        return found

    def _due_scopes(self) -> list[DueScope]:
        now, found = self.now(), []
        for scope, waiting in self.waiting.items():
            heap = waiting.heap
            while heap and (heap[0][2].job.state is not JobState.READY or heap[0][2].due_at != heap[0][0]):
                heapq.heappop(heap)
            if heap:
                lane = waiting.lane
                found.append(
                    DueScope(
                        scope=scope,
                        due_in=heap[0][0] - now,
                        slot_in=lane.next_at - now,
                        ramp_in=lane.ramp_at - now,
                    )
                )
        found.sort(key=lambda due: (max(due.ready_in, 0.0), due.slot_in))
        return found

    def _release(self, live_ids: Sequence[UUID], jobs: int) -> int:
        live, released = frozenset(live_ids), 0
        for row in list(self._held):
            if row.locked_by is not None or released == jobs or not live.isdisjoint(row.job.held_by):
                continue
            del self._held[row]
            if row.due_at is not None and row.due_at > self.now():
                released += 1
                row.job = replace(row.job, reason="")
                row.due_at = self.now()
                self.offer(row)
        return released
