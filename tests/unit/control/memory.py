"""Control's ports in memory and a clock moved by hand: the support of its unit tests."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from control.application.ports import Agenda, Endings, News, Seen, Snapshot, Unfenced
from control.domain.etag import Etag
from control.domain.pause import PLATFORM, Order, Pause, Scope, Source, State
from control.domain.resumption import ResumptionState
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId, SessionId

START = datetime(2026, 1, 1, tzinfo=UTC)
TTL_MAX = timedelta(milliseconds=500)
W = 0.5 * 1.01 / 0.99 + 0.05
_TURNS = 60


def order(**values: object) -> Order:
    """Return an order for a pause of campaign `welcome` of organization `demo`; `values` override."""
    usual: dict[str, object] = {
        "organization_id": OrganizationId("demo"),
        "scope": Scope.CAMPAIGN,
        "target": "welcome",
        "reason": "wrong template",
        "source": Source.MANUAL,
        "paused_until": None,
        "paused_by": "ana",
        "peer": "",
        "request_id": "stop-1",
    }
    return Order(**(usual | values))  # type: ignore[arg-type]


def unavailable() -> Failure:
    """Return what a store raises while the database is away."""
    return Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class ManualClock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self._now - 1000.0)

    def boottime(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, sleeper))
        await sleeper

    async def advance(self, seconds: float, *, step: float = 0.01) -> None:
        """Let `seconds` pass in small steps, and everything run that they wake."""
        await settle()
        end = self._now + seconds
        while self._now < end:
            self._now = min(end, self._now + step)
            due = [sleeper for at, sleeper in self._sleepers if at <= self._now]
            self._sleepers = [(at, sleeper) for at, sleeper in self._sleepers if at > self._now]
            for sleeper in due:
                if not sleeper.done():
                    sleeper.set_result(None)
            await settle()


@dataclass(slots=True)
class MemoryChange:
    """A transaction: what it wrote is kept when it ends well."""

    store: "Memory"
    organization_id: OrganizationId
    now: datetime
    ttl_max: timedelta
    written: dict[ControlId, Pause] = field(default_factory=dict)
    events: list[Pause] = field(default_factory=list)

    @property
    def next_version(self) -> int:
        return self.store.versions[self.organization_id] + len(self.events) + 1

    @property
    def platform_version(self) -> int:
        return self.store.versions[PLATFORM]

    async def find(self, control_id: ControlId) -> Pause | None:
        return await self._first(lambda pause: pause.control_id == control_id)

    async def live(self) -> Sequence[Pause]:
        await asyncio.sleep(0)
        everything = {**self.store.pauses, **self.written}.values()
        mine = [pause for pause in everything if pause.organization_id in (self.organization_id, PLATFORM)]
        return [pause for pause in mine if pause.state.is_live]

    async def find_ordered(self, *, peer: str, request_id: str) -> Pause | None:
        return await self._first(lambda pause: (pause.order.peer, pause.order.request_id) == (peer, request_id))

    async def find_lifted(self, request_id: str) -> Sequence[Pause]:
        await asyncio.sleep(0)
        mine = [pause for pause in self.store.pauses.values() if pause.organization_id == self.organization_id]
        return [pause for pause in mine if pause.ending is not None and pause.ending.request_id == request_id]

    async def cut_short(self, pause: Pause) -> None:
        for one in {**self.store.pauses, **self.written}.values():
            if (one.organization_id, one.order.scope, one.order.target) == (
                self.organization_id,
                pause.order.scope,
                pause.order.target,
            ):
                self.written[one.control_id] = one.cut_short(self.now)

    async def write(self, pause: Pause) -> None:
        await asyncio.sleep(0)
        assert pause.version == self.next_version
        self.written[pause.control_id] = pause
        self.events.append(pause)

    async def _first(self, matches: object) -> Pause | None:
        await asyncio.sleep(0)
        everything = {**self.store.pauses, **self.written}.values()
        mine = [pause for pause in everything if pause.organization_id == self.organization_id]
        return next((pause for pause in mine if matches(pause)), None)  # type: ignore[operator]


@dataclass(slots=True)
class MemorySession:
    """A row of sessions."""

    lease_until: datetime
    acknowledged: set[ControlId]
    has_ended: bool = False


class Memory:
    """Every port of control. `events` are the committed changes in order; `down` makes it fail."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.ttl_max = TTL_MAX
        self.pauses: dict[ControlId, Pause] = {}
        self.versions: defaultdict[str, int] = defaultdict(int)
        self.sessions: dict[SessionId, MemorySession] = {}
        self.events: list[Pause] = []
        self.beats = 0
        self.down = False
        self.writable = True
        self.reads = 0
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def change(self, organization_id: OrganizationId) -> AsyncIterator[MemoryChange]:
        self._demand_up()
        async with self._locks[organization_id]:
            change = MemoryChange(self, organization_id, self.clock.now(), self.ttl_max)
            yield change
            self._demand_up()
            self.pauses |= change.written
            self.events += change.events
            self.versions[organization_id] += len(change.events)

    async def find(self, control_id: ControlId, organizations: Collection[OrganizationId]) -> Pause | None:
        self._demand_up()
        found = self.pauses.get(control_id)
        return found if found is not None and found.organization_id in organizations else None

    async def read(
        self, control_ids: Collection[ControlId], organizations: Collection[OrganizationId]
    ) -> Sequence[Seen]:
        self._demand_up()
        found = [self.pauses[control_id] for control_id in control_ids if control_id in self.pauses]
        return [self.seen(pause) for pause in found if pause.organization_id in organizations]

    async def live(self, organizations: Collection[OrganizationId]) -> Sequence[Seen]:
        self._demand_up()
        return [self.seen(pause) for pause in self._live() if pause.organization_id in organizations]

    def seen(self, pause: Pause) -> Seen:
        """Return the pause as a reader of its organization sees it now."""
        versions = (self.versions[pause.organization_id], self.versions[PLATFORM])
        etag = Etag(organization_version=versions[0], platform_version=versions[1])
        return Seen(pause=pause, etag=etag, at=self.clock.now())

    async def unfenced(self) -> Sequence[Unfenced]:
        self._demand_up()
        return [
            Unfenced(
                pause=pause,
                is_acknowledged=all(pause.control_id in one.acknowledged for one in self.sessions.values()),
            )
            for pause in self._live()
            if pause.state is State.PAUSING
        ]

    async def register(self, session_id: SessionId, executor: str, lease: timedelta) -> bool:
        self._demand_up()
        obeyed = {pause.control_id for pause in self._live() if pause.state is State.PAUSING}
        made = MemorySession(lease_until=self.clock.now() + lease, acknowledged=obeyed)
        return not self.sessions.setdefault(session_id, made).has_ended

    async def acknowledge(
        self, session_id: SessionId, control_ids: Collection[ControlId], lease: timedelta
    ) -> int | None:
        self._demand_up()
        session = self.sessions.get(session_id)
        if session is None or session.has_ended:
            return None
        session.lease_until = self.clock.now() + lease
        added = set(control_ids) - session.acknowledged
        session.acknowledged |= added
        return len(added)

    async def end(self, session_id: SessionId) -> None:
        self._demand_up()
        self.sessions.pop(session_id, None)

    async def endings(self) -> Endings:
        self._demand_up()
        ended = [session_id for session_id, session in self.sessions.items() if session.has_ended]
        return Endings(lapsed=bool(self._lapsed()), waits=dict.fromkeys(ended, self.ttl_max))

    async def mark_lapsed(self) -> None:
        self._demand_up()
        for session in self._lapsed():
            session.has_ended = True

    async def forget(self, ended: Collection[SessionId]) -> None:
        self._demand_up()
        for session_id in ended:
            if self.sessions[session_id].has_ended:
                del self.sessions[session_id]

    def _lapsed(self) -> list[MemorySession]:
        now = self.clock.now()
        return [one for one in self.sessions.values() if not one.has_ended and one.lease_until < now]

    async def agenda(self) -> Agenda:
        self._demand_up()
        now = self.clock.now()
        ends = [pause.order.paused_until for pause in self._live() if pause.order.paused_until is not None]
        return Agenda(
            due=[pause for pause in self._live() if pause.is_due(now)],
            next_in=min(((end - now).total_seconds() for end in ends if end > now), default=None),
        )

    async def take(self, organizations: Collection[str], sessions: Collection[SessionId] = ()) -> Snapshot:
        self._demand_up()
        self.reads += 1
        await asyncio.sleep(0)
        ids = {*organizations, PLATFORM}
        return Snapshot(
            pauses=[pause for pause in self._live() if pause.organization_id in ids],
            resumed=[one for one in self.pauses.values() if self._is_under_way(one) and one.organization_id in ids],
            at=self.clock.now(),
            versions={organization_id: self.versions[organization_id] for organization_id in ids},
            ttl_max=self.ttl_max,
            beat=self.beats,
            live_sessions={one for one in sessions if one in self.sessions and not self.sessions[one].has_ended},
        )

    async def running(self) -> Sequence[Pause]:
        self._demand_up()
        return [pause for pause in self.pauses.values() if pause.runs_canary]

    async def beat(self, number: int, lane: int) -> None:
        self._demand_up()
        if not self.writable:
            raise unavailable()
        await asyncio.sleep(0)
        self.beats = max(self.beats, number)

    async def news(self, cursor: str | None) -> News:
        self._demand_up()
        since = int(cursor or 0)
        changed = self._live() if cursor is None else [self.pauses[one.control_id] for one in self.events[since:]]
        return News(pauses=changed, cursor=str(len(self.events)), at=self.clock.now())

    def _live(self) -> list[Pause]:
        return [pause for pause in self.pauses.values() if pause.state.is_live]

    def _is_under_way(self, pause: Pause) -> bool:
        under_way = (ResumptionState.CANARY, ResumptionState.RAMPING)
        return pause.resumption is not None and pause.resumption.state(self.clock.now()) in under_way

    def _demand_up(self) -> None:
        if self.down:
            raise unavailable()
