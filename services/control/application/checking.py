"""Answer whether sends may begin, from one fresh snapshot for all who ask at the same time. Knows no permit's holder.

A call never joins a statement that already runs: its snapshot may be older than the call. It waits for the next one.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from control.application.heartbeat import Heart, stale
from control.application.ports import Snapshot, Snapshots
from control.application.sessions import session_ended
from control.domain.coverage import Coverage, Sending
from control.domain.fence import granted_ttl
from control.domain.pace import FULL, Pace, pace_of
from control.domain.pause import Pause
from kernel.errors import Failure
from kernel.ids import SessionId

_AT_ONCE = 3
_SLOW_SECONDS = 0.025
_READ_SECONDS = 1.0
_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """For each sending asked about, in order, the live pauses that cover it: none means that it may begin, at its pace.

    `ttl` is how long that holds, counted by the one who asked from before the question left.
    """

    covering: Sequence[Sequence[Pause]]
    paces: Sequence[Pace]
    snapshot: Snapshot
    ttl: timedelta


class _Round:
    """The calls that share one statement."""

    def __init__(self) -> None:
        self.organizations: set[str] = set()
        self.sessions: set[SessionId] = set()
        self.answer: asyncio.Future[tuple[Snapshot, Coverage]] = asyncio.get_running_loop().create_future()
        # Everyone who asked may be gone by the time it fails.
        self.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())


class Checks:
    """Takes calls and shares statements among them: one runs, and what arrives meanwhile is the next.

    Beside a statement that is slow the next one runs already, so that one that hangs holds up nobody for long.
    """

    def __init__(
        self, *, snapshots: Snapshots, heart: Heart, ttl: timedelta, failed: Callable[[Exception], None]
    ) -> None:
        self._snapshots = snapshots
        self._heart = heart
        self._ttl = ttl
        self._failed = failed
        self._next: _Round | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._swift: asyncio.Task[None] | None = None

    async def check(self, sendings: Sequence[Sending], session_id: SessionId | None = None) -> Verdicts:
        """Return what covers each of `sendings`. Raises Failure UNAVAILABLE rather than answer from what may be old.

        Who is to hold permits names its session: Failure SESSION_ENDED unless the same snapshot shows it as live.
        """
        snapshot, coverage = await self._fresh({sending.organization_id for sending in sendings}, session_id)
        if session_id is not None and session_id not in snapshot.live_sessions:
            raise session_ended()
        if coverage.is_empty:
            covering: Sequence[Sequence[Pause]] = [()] * len(sendings)
        else:
            covering = [coverage.of(sending) for sending in sendings]
        return Verdicts(
            covering=covering,
            paces=_paces(snapshot, sendings),
            snapshot=snapshot,
            ttl=granted_ttl(self._ttl, snapshot.ttl_max),
        )

    async def _fresh(self, organizations: Iterable[str], session_id: SessionId | None) -> tuple[Snapshot, Coverage]:
        if self._next is None:
            self._next = _Round()
        joined = self._next
        joined.organizations.update(organizations)
        if session_id is not None:
            joined.sessions.add(session_id)
        self._start()
        return await asyncio.shield(joined.answer)

    def _start(self) -> None:
        if self._next is None or self._swift is not None or len(self._running) >= _AT_ONCE:
            return
        # Closed here, before its statement is sent: whoever comes from now on is in the next round.
        starting, self._next = self._next, None
        task = asyncio.create_task(self._answer(starting), name="control.check")
        self._swift = task
        self._running.add(task)
        task.add_done_callback(self._ended)
        asyncio.get_running_loop().call_later(_SLOW_SECONDS, self._make_way, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._make_way(task)

    def _make_way(self, task: asyncio.Task[None]) -> None:
        if self._swift is task:
            self._swift = None
        self._start()

    async def _answer(self, asked: _Round) -> None:
        try:
            snapshot = await self._read(asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked get it, and no permit
            if not isinstance(error, Failure):
                self._failed(error)
            asked.answer.set_exception(error)
        except asyncio.CancelledError:
            asked.answer.set_exception(stale())
            raise
        else:
            asked.answer.set_result((snapshot, Coverage(snapshot.pauses)))

    async def _read(self, asked: _Round) -> Snapshot:
        for _ in range(_TRIES):
            await self._heart.demand_fresh()
            newest = self._heart.number
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    snapshot = await self._snapshots.take(asked.organizations, asked.sessions)
            except TimeoutError:
                raise stale() from None
            # Both hold only if what was read is what was written to, and lately.
            if snapshot.beat >= newest and self._heart.is_fresh:
                return snapshot
        raise stale()


def _paces(snapshot: Snapshot, sendings: Sequence[Sending]) -> Sequence[Pace]:
    if not snapshot.resumed:
        return [FULL] * len(sendings)
    resumed = Coverage(snapshot.resumed)
    return [pace_of(resumed, sending, snapshot.at) for sending in sendings]
