"""Pass newly stored events on to those who watch them, without ever waiting for one. Knows no stream and no store."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from audit.domain.arrival import Arrival
from kernel.errors import Failure, Kind

MOST_WAITING = 5_000
MOST_AT_ONCE = 500


@dataclass(slots=True, kw_only=True, eq=False)
class Watcher:
    """One reader: what it wants, and what waits for it, bounded in number."""

    organization_id: str
    types: frozenset[str]
    campaign_id: str
    _waiting: deque[Arrival] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _overrun: bool = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def next(self, within: float) -> Sequence[Arrival]:
        """Return what arrived, or nothing after `within` seconds. Raises `Failure` UNAVAILABLE to a slow reader."""
        if not self._waiting and not self._overrun:
            try:
                async with asyncio.timeout(within):
                    await self._arrived.wait()
            except TimeoutError:
                return ()
        if self._overrun:
            raise Failure(
                Kind.UNAVAILABLE,
                "UNAVAILABLE",
                f"more than {MOST_WAITING} events waited for this stream; list them and watch again",
                retry_after=timedelta(seconds=1),
            )
        batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
        if not self._waiting:
            self._arrived.clear()
        return batch

    def offer(self, arrival: Arrival) -> None:
        """Take an event if it is wanted; beyond the bound drop everything and remember that."""
        if self._overrun or not self._wants(arrival):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._overrun = True
            self._waiting.clear()
        else:
            self._waiting.append(arrival)
        self._arrived.set()

    def _wants(self, arrival: Arrival) -> bool:
        return (
            arrival.organization_id in {self.organization_id, ""}
            and (not self.types or arrival.type in self.types)
            and (not self.campaign_id or arrival.campaign_id == self.campaign_id)
        )


class Announcements:
    """Those who watch now."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    @contextmanager
    def watching(self, *, organization_id: str, types: frozenset[str], campaign_id: str) -> Iterator[Watcher]:
        """Register a reader for as long as the block lasts."""
        watcher = Watcher(organization_id=organization_id, types=types, campaign_id=campaign_id)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def announce(self, arrivals: Sequence[Arrival]) -> None:
        """Offer what was stored to every reader; costs nothing while nobody watches."""
        for watcher in self._watchers:
            for arrival in arrivals:
                watcher.offer(arrival)
