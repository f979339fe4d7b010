"""Tell watchers what is live and then each change. Knows no stream; a slow reader is cut off rather than waited for.

One reader follows the store for all watchers. It keeps what is live, so that a watcher's first picture and the changes
after it fit together without a gap.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from control.application.ports import Feed, News
from control.application.waiting import wait_for_any
from control.domain.pause import Pause
from kernel.clock import Clock
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId

_LOOK_SECONDS = 0.25
_RETRY_SECONDS = 0.1
_LONGEST_SILENCE_SECONDS = 15.0
_HEARTBEAT_SECONDS = 5.0
_QUEUE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Everything that is live when the watch begins."""

    pauses: Sequence[Pause]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A pause that began, was fenced or ended."""

    pause: Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Nothing happened; the database was read at `at` of its own clock."""

    at: datetime


Message = Live | Changed | Beat


class _Watcher:
    """Who watches, and what it has not read yet."""

    def __init__(self, organizations: Collection[OrganizationId] | None) -> None:
        self._organizations = organizations
        self.live: asyncio.Future[Sequence[Pause]] = asyncio.get_running_loop().create_future()
        self.unread: deque[Pause] = deque()
        self.told = asyncio.Event()
        self.is_slow = False

    def sees(self, pause: Pause) -> bool:
        return self._organizations is None or pause.organization_id in self._organizations

    def tell(self, pause: Pause) -> None:
        if len(self.unread) < _QUEUE:
            self.unread.append(pause)
        else:
            self.is_slow = True
        self.told.set()


class Watch:
    """Follows the store and tells all watchers."""

    def __init__(self, *, feed: Feed, clock: Clock, hint: asyncio.Event, failed: Callable[[Failure], None]) -> None:
        self._feed = feed
        self._clock = clock
        self._hint = hint
        self._failed = failed
        self._live: dict[ControlId, Pause] = {}
        self._last: dict[ControlId, int] = {}
        self._news: News | None = None
        self._read_at = float("-inf")
        self._joining: list[_Watcher] = []
        self._watchers: list[_Watcher] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Read on each hint, and four times a second without, until `stop`."""
        while not stop.is_set():
            self._hint.clear()
            try:
                await self._read()
            except Failure as failure:
                self._failed(failure)
                await wait_for_any(stop, clock=self._clock, seconds=_RETRY_SECONDS)
            else:
                await wait_for_any(stop, self._hint, clock=self._clock, seconds=_LOOK_SECONDS)

    async def follow(self, organizations: Collection[OrganizationId] | None) -> AsyncGenerator[Message, None]:
        """Yield what is live, then each change, and a beat every 5 s; None sees all organizations.

        Raises Failure UNAVAILABLE for a reader that is too slow, and when the database has been silent for long.
        """
        with self._joined(organizations) as watcher:
            yield Live(pauses=await self._first(watcher))
            beat_at = self._clock.boottime() + _HEARTBEAT_SECONDS
            while True:
                watcher.told.clear()
                self._demand_alive(watcher)
                while watcher.unread:
                    yield Changed(pause=watcher.unread.popleft())
                if self._news is not None and self._clock.boottime() >= beat_at:
                    yield Beat(at=self._news.at)
                    beat_at = self._clock.boottime() + _HEARTBEAT_SECONDS
                await wait_for_any(watcher.told, clock=self._clock, seconds=beat_at - self._clock.boottime())

    @contextmanager
    def _joined(self, organizations: Collection[OrganizationId] | None) -> Iterator[_Watcher]:
        watcher = _Watcher(organizations)
        self._joining.append(watcher)
        self._hint.set()
        try:
            yield watcher
        finally:
            for group in (self._joining, self._watchers):
                if watcher in group:
                    group.remove(watcher)

    async def _first(self, watcher: _Watcher) -> Sequence[Pause]:
        try:
            async with asyncio.timeout(_LONGEST_SILENCE_SECONDS):
                return await watcher.live
        except TimeoutError:
            raise _silent() from None

    def _demand_alive(self, watcher: _Watcher) -> None:
        if watcher.is_slow:
            raise Failure(
                Kind.UNAVAILABLE,
                "UNAVAILABLE",
                "this stream was read too slowly; open it again",
                retry_after=timedelta(milliseconds=100),
            )
        if self._clock.boottime() - self._read_at > _LONGEST_SILENCE_SECONDS:
            raise _silent()

    async def _read(self) -> None:
        joining = list(self._joining)
        news = await self._feed.news(self._news.cursor if self._news is not None else None)
        self._read_at = self._clock.boottime()
        changed = [pause for pause in news.pauses if self._last.get(pause.control_id) != pause.version]
        self._news, self._last = news, {pause.control_id: pause.version for pause in news.pauses}
        for pause in changed:
            if pause.state.is_live:
                self._live[pause.control_id] = pause
            else:
                self._live.pop(pause.control_id, None)
        for watcher in self._watchers:
            for pause in filter(watcher.sees, changed):
                watcher.tell(pause)
        # Those who came before the read began get a picture that is not older than their call.
        for watcher in joining:
            if watcher in self._joining and not watcher.live.done():
                self._joining.remove(watcher)
                self._watchers.append(watcher)
                watcher.live.set_result(list(filter(watcher.sees, self._live.values())))


def _silent() -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "DATABASE_UNAVAILABLE",
        "the database cannot be followed at the moment; open the stream again",
        retry_after=timedelta(seconds=1),
    )
