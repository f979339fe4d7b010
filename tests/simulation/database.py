"""Control's primary in memory: the ports of its use cases on a simulated server. Decides nothing.

Committed state, one lock an organization, transaction ids for the news, and notifications that may get lost.
"""

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation.clock import EPOCH
from tests.simulation.loop import Process
from tests.simulation.server import IDLE_SECONDS, Locked, Server, Session

from control.application.ports import Agenda, News, Seen, Snapshot, Unfenced
from control.domain.etag import Etag
from control.domain.pause import PLATFORM, Pause, State
from control.domain.resumption import ResumptionState
from kernel.clock import Clock
from kernel.ids import ControlId, OrganizationId, SessionId

TTL_MAX = timedelta(milliseconds=500)
_LONG_HOLD = 0.02
_UNDER_WAY = (ResumptionState.CANARY, ResumptionState.RAMPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A pause as a commit made it, and when that was, in true time."""

    at: float
    pause: Pause


@dataclass(slots=True, eq=False)
class Change:
    """One transaction that holds its organization's version."""

    primary: "Primary"
    session: Session
    organization_id: OrganizationId
    number: int = 0
    held_at: float = 0.0
    platform_version: int = 0
    now: datetime = EPOCH
    ttl_max: timedelta = TTL_MAX
    written: list[Pause] = field(default_factory=list)
    cut: list[Pause] = field(default_factory=list)

    @property
    def next_version(self) -> int:
        return self.primary.versions[self.organization_id] + len(self.written) + 1

    async def find(self, control_id: ControlId) -> Pause | None:
        return await self._first(lambda pause: pause.control_id == control_id)

    async def find_ordered(self, *, peer: str, request_id: str) -> Pause | None:
        return await self._first(lambda pause: (pause.order.peer, pause.order.request_id) == (peer, request_id))

    async def find_lifted(self, request_id: str) -> Sequence[Pause]:
        return await self._all(lambda pause: pause.ending is not None and pause.ending.request_id == request_id)

    async def live(self) -> Sequence[Pause]:
        platform = await self.primary.server.run(lambda: self.primary.pauses_of(PLATFORM), session=self.session)
        mine = await self._all(lambda pause: pause.state.is_live)
        return [*mine, *(one for one in platform if one.state.is_live and self.organization_id != PLATFORM)]

    async def cut_short(self, pause: Pause) -> None:
        def same(other: Pause) -> bool:
            return (other.order.scope, other.order.target) == (pause.order.scope, pause.order.target)

        self.cut += await self._all(lambda other: same(other) and not other.state.is_live)

    async def write(self, pause: Pause) -> None:
        await self.primary.server.run(lambda: self._write(pause), writes=True, session=self.session)

    def _write(self, pause: Pause) -> None:
        if pause.version != self.next_version:
            raise AssertionError("a change must make the next version")
        self.written.append(pause)

    async def _first(self, matches: Callable[[Pause], bool]) -> Pause | None:
        return next(iter(await self._all(matches)), None)

    async def _all(self, matches: Callable[[Pause], bool]) -> list[Pause]:
        def look() -> list[Pause]:
            mine = {pause.control_id: pause for pause in self.primary.pauses_of(self.organization_id)}
            mine |= {pause.control_id: pause for pause in self.written}
            return [pause for pause in mine.values() if matches(pause)]

        return await self.primary.server.run(look, session=self.session)


class Primary:
    """What is committed."""

    def __init__(self, server: Server, clock: Clock, true_time: Callable[[], float]) -> None:
        self.server = server
        self.clock = clock
        self.versions: defaultdict[str, int] = defaultdict(int)
        self.commits: list[Commit] = []
        self.committed: Callable[[Commit], None] = lambda commit: None
        self.notify: Callable[[], None] = lambda: None
        self.all_obey: Callable[[ControlId], bool] = lambda control_id: False
        self.live_sessions: Callable[[Collection[SessionId]], Collection[SessionId]] = lambda sessions: ()
        self._true_time = true_time
        self._pauses: dict[ControlId, Pause] = {}
        self._live: dict[ControlId, Pause] = {}
        self._resumed: dict[ControlId, Pause] = {}
        self._changed_in: dict[ControlId, int] = {}
        self.holds: list[tuple[str, float, float]] = []
        self._locks: dict[str, Change] = {}
        self._waiting: defaultdict[str, deque[Change]] = defaultdict(deque)
        self._running: dict[int, None] = {}
        self._next_number = 1

    def pauses_of(self, organization_id: str) -> list[Pause]:
        """Return all committed pauses of an organization."""
        return [pause for pause in self._pauses.values() if pause.organization_id == organization_id]

    def live(self) -> list[Pause]:
        """Return the live pauses, the oldest first."""
        return list(self._live.values())

    def find(self, control_id: ControlId) -> Pause | None:
        """Return a committed pause."""
        return self._pauses.get(control_id)

    def seen(self, pauses: Iterable[Pause | None], organizations: Collection[str]) -> list[Seen]:
        """Return those of the pauses that are of one of `organizations`, as they are read now."""
        found = [pause for pause in pauses if pause is not None and pause.organization_id in organizations]
        return [
            Seen(
                pause=pause,
                etag=Etag(
                    organization_version=self.versions[pause.organization_id], platform_version=self.versions[PLATFORM]
                ),
                at=self.clock.now(),
            )
            for pause in found
        ]

    def resumed(self) -> list[Pause]:
        """Return the lifted pauses whose ramp or canary is under way."""
        now = self.clock.now()
        for control_id, pause in list(self._resumed.items()):
            if pause.resumption is None or pause.resumption.state(now) not in _UNDER_WAY:
                del self._resumed[control_id]
        return list(self._resumed.values())

    @asynccontextmanager
    async def change(self, organization_id: OrganizationId) -> AsyncIterator[Change]:
        session = self.server.session()
        change = Change(self, session, organization_id)
        session.on_end.append(lambda: self._let_go(change))
        try:
            await self.server.run(lambda: self._hold(change), writes=True, session=session)
            yield change
            await self.server.run(lambda: self._commit(change), writes=bool(change.written), session=session)
        finally:
            session.end(commit=False)

    def news(self, cursor: str | None) -> News:
        """Return what any transaction changed that had not ended when the cursor was taken."""
        since = int(cursor) if cursor is not None else 0
        if cursor is None:
            found = self.live()
        else:
            found = [pause for pause in self._pauses.values() if self._changed_in[pause.control_id] >= since]
        found.sort(key=lambda pause: (pause.organization_id, pause.version))
        return News(pauses=found, cursor=str(min([*self._running, self._next_number])), at=self.clock.now())

    def _hold(self, change: Change) -> None:
        queue = self._waiting[change.organization_id]
        if not change.number:
            change.number = self._next_number
            change.platform_version = self.versions[PLATFORM]
            self._next_number += 1
            self._running[change.number] = None
            queue.append(change)
        holder = self._locks.get(change.organization_id)
        if holder is not None and self._true_time() - holder.session.active_at > IDLE_SECONDS:
            holder.session.end(commit=False)  # as idle_in_transaction_session_timeout does
        if queue[0] is not change or change.organization_id in self._locks:
            raise Locked
        queue.popleft()
        self._locks[change.organization_id] = change
        change.now = self.clock.now()
        change.held_at = self._true_time()

    def _let_go(self, change: Change) -> None:
        self._running.pop(change.number, None)
        if self._locks.get(change.organization_id) is change:
            del self._locks[change.organization_id]
            if self._true_time() - change.held_at > _LONG_HOLD:
                self.holds.append((change.organization_id, change.held_at, self._true_time()))
        elif change in self._waiting[change.organization_id]:
            self._waiting[change.organization_id].remove(change)

    def _commit(self, change: Change) -> None:
        for pause in change.cut:
            self._pauses[pause.control_id] = pause.cut_short(change.now)
            self._resumed.pop(pause.control_id, None)
        for pause in change.written:
            self._pauses[pause.control_id] = pause
            self._changed_in[pause.control_id] = change.number
            if pause.state.is_live:
                self._live[pause.control_id] = pause
            else:
                self._live.pop(pause.control_id, None)
                self._resumed[pause.control_id] = pause
            self.versions[change.organization_id] = pause.version
            commit = Commit(at=self._true_time(), pause=pause)
            self.commits.append(commit)
            self.committed(commit)
        change.session.end(commit=True)
        if change.written:
            self.server.flushed()
            self.notify()


class Replica:
    """The primary as one control process sees it: every port of control's use cases."""

    def __init__(self, primary: Primary, process: Process) -> None:
        self._primary = primary
        self._server = primary.server
        self._process = process
        self._beats = 0
        self.change = primary.change

    async def find(self, control_id: ControlId, organizations: Collection[OrganizationId]) -> Pause | None:
        found = await self._server.run(lambda: self._primary.find(control_id))
        return found if found is not None and found.organization_id in organizations else None

    async def read(
        self, control_ids: Collection[ControlId], organizations: Collection[OrganizationId]
    ) -> Sequence[Seen]:
        return await self._server.run(lambda: self._primary.seen(map(self._primary.find, control_ids), organizations))

    async def live(self, organizations: Collection[OrganizationId]) -> Sequence[Seen]:
        return await self._server.run(lambda: self._primary.seen(self._primary.live(), organizations))

    async def unfenced(self) -> Sequence[Unfenced]:
        def look() -> list[Unfenced]:
            pausing = (pause for pause in self._primary.live() if pause.state is State.PAUSING)
            return [Unfenced(pause=one, is_acknowledged=self._primary.all_obey(one.control_id)) for one in pausing]

        return await self._server.run(look)

    async def agenda(self) -> Agenda:
        def look() -> Agenda:
            now = self._primary.clock.now()
            bounded = [pause for pause in self._primary.live() if pause.order.paused_until is not None]
            ends = [(pause.order.paused_until - now).total_seconds() for pause in bounded if pause.order.paused_until]
            due = [pause for pause in bounded if pause.is_due(now)]
            return Agenda(due=due, next_in=min((end for end in ends if end > 0), default=None))

        return await self._server.run(look)

    async def take(self, organizations: Collection[str], sessions: Collection[SessionId] = ()) -> Snapshot:
        asked = sorted({*organizations, PLATFORM})

        def look() -> Snapshot:
            return Snapshot(
                pauses=[pause for pause in self._primary.live() if pause.organization_id in asked],
                resumed=[pause for pause in self._primary.resumed() if pause.organization_id in asked],
                at=self._primary.clock.now(),
                versions={one: self._primary.versions[one] for one in asked},
                ttl_max=TTL_MAX,
                beat=self._beats,
                live_sessions=self._primary.live_sessions(sessions),
            )

        return await self._server.run(look)

    async def beat(self, number: int, lane: int) -> None:
        def write() -> None:
            self._beats = max(self._beats, number)

        await self._server.run(write, writes=True)

    async def news(self, cursor: str | None) -> News:
        return await self._server.run(lambda: self._primary.news(cursor))
