"""Webhooks at their time: batched, and posted again until the receiver answers 200. Knows no caller."""

import asyncio
import contextlib
import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import aiohttp
import structlog

from simulator.fate import PlannedStatus, draw
from simulator.webhooks import SIGNATURE_HEADER, Told, sign, webhook_body

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """Seconds and counts: how posts are batched, tried again and given up."""

    batch_window: float
    batch_size: int
    first_backoff: float = 0.25
    longest_backoff: float = 2.0
    give_up_after: float = 600.0
    post_timeout: float = 5.0
    flush_timeout: float = 2.0
    connections: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    content: bytes
    statuses: int
    begun: float
    tries: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    what: Told | _Post = field(compare=False)


class WebhookDelivery:
    """Hold statuses until they are due and post them; `url` None means that nobody wants them.

    While the receiver cannot be reached, one probe a backoff is all that is tried, and what falls due waits.
    """

    def __init__(self, *, seed: int, url: str | None, app_secret: bytes, policy: DeliveryPolicy) -> None:
        self._seed = seed
        self._url = url
        self._app_secret = app_secret
        self._policy = policy
        self._due: list[_Due] = []
        self._number = 0
        self._in_flight: list[_Post] = []
        self._wake = asyncio.Event()
        self._unreachable = 0
        self._resume_at = 0.0
        self._posts = self._statuses = self._retries = self._given_up = 0

    def plan(self, *, told: Told, planned: Sequence[PlannedStatus]) -> None:
        """Schedule every planned status of a message accepted at `told.timestamp`, which is now."""
        if self._url is None:
            return
        now = time.monotonic()
        for status in planned:
            timestamp = told.timestamp + status.delay
            what = replace(told, status=status.status, code=status.code, timestamp=timestamp)
            self._push(now + status.delay, what)

    def clear(self) -> None:
        """Forget what is not yet under way, and all counts."""
        self._due.clear()
        self._posts = self._statuses = self._retries = self._given_up = 0

    def summary(self) -> dict[str, int]:
        """Count what was and what is still to be delivered; `pending` and `given_up` count statuses."""
        waiting = sum(due.what.statuses if isinstance(due.what, _Post) else 1 for due in self._due)
        return {
            "pending": waiting + sum(post.statuses for post in self._in_flight),
            "posts": self._posts,
            "statuses": self._statuses,
            "retries": self._retries,
            "given_up": self._given_up,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Post what is due until `stop`, then everything left, early and once, for a short time."""
        if self._url is None:
            return
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._policy.post_timeout),
                connector=aiohttp.TCPConnector(limit=self._policy.connections),
                headers={"User-Agent": "facebookexternalua", "Content-Type": "application/json"},
            ) as session,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._wake_on(stop), name="webhooks.stop")
            while not stop.is_set():
                await self._until_due()
                self._begin_due(session=session, url=self._url, tasks=tasks)
            await self._flush(session=session, url=self._url)

    def _push(self, at: float, what: Told | _Post) -> None:
        self._number += 1
        due = _Due(at, self._number, what)
        heapq.heappush(self._due, due)
        if self._due[0] is due:
            self._wake.set()

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _until_due(self) -> None:
        self._wake.clear()
        wait: float | None = None
        if self._due and not self._full():
            wait = max(self._due[0].at + self._policy.batch_window, self._resume_at) - time.monotonic()
            if wait <= 0:
                return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wake.wait()

    def _full(self) -> bool:
        return len(self._in_flight) >= (1 if self._unreachable else self._policy.connections)

    def _begin_due(self, *, session: aiohttp.ClientSession, url: str, tasks: asyncio.TaskGroup) -> None:
        now = time.monotonic()
        while now >= self._resume_at and not self._full():
            post = self._take_post(now)
            if post is None:
                return
            self._in_flight.append(post)
            tasks.create_task(self._deliver(post, session=session, url=url), name="webhooks.post")

    def _take_post(self, until: float) -> _Post | None:
        statuses: list[Told] = []
        while self._due and self._due[0].at <= until and len(statuses) < self._policy.batch_size:
            what = self._due[0].what
            if isinstance(what, _Post):
                if statuses:
                    break
                heapq.heappop(self._due)
                return what
            statuses.append(what)
            heapq.heappop(self._due)
        if not statuses:
            return None
        return _Post(content=webhook_body(statuses), statuses=len(statuses), begun=time.monotonic())

    async def _deliver(self, post: _Post, *, session: aiohttp.ClientSession, url: str) -> None:
        try:
            http_status = await self._post(post, session=session, url=url)
            if http_status == 200:
                self._posts += 1
                self._statuses += post.statuses
            else:
                self._try_again(post, reachable=http_status is not None)
        finally:
            self._in_flight.remove(post)
            self._wake.set()

    async def _post(self, post: _Post, *, session: aiohttp.ClientSession, url: str) -> int | None:
        signature = sign(app_secret=self._app_secret, content=post.content)
        try:
            async with session.post(
                url, data=post.content, headers={SIGNATURE_HEADER: signature}, allow_redirects=False
            ) as answer:
                await answer.content.read(1024)
                http_status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None
        self._unreachable = 0
        self._resume_at = 0.0
        return http_status

    def _try_again(self, post: _Post, *, reachable: bool) -> None:
        now = time.monotonic()
        if now - post.begun > self._policy.give_up_after:
            self._given_up += post.statuses
            log.warning("simulator.webhook_given_up", statuses=post.statuses, tries=post.tries + 1)
            return
        self._retries += 1
        if not reachable and now >= self._resume_at:
            if not self._unreachable:
                log.warning("simulator.webhook_receiver_unreachable")
            self._resume_at = now + self._backoff(self._unreachable)
            self._unreachable += 1
        self._push(now + self._backoff(post.tries), replace(post, tries=post.tries + 1))

    def _backoff(self, tries: int) -> float:
        self._number += 1
        jitter = 0.5 + draw(seed=self._seed, key=b"backoff %d" % self._number)[0] / 2
        return min(self._policy.longest_backoff, self._policy.first_backoff * 2.0 ** min(tries, 16)) * jitter

    async def _flush(self, *, session: aiohttp.ClientSession, url: str) -> None:
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._policy.flush_timeout):
                while post := self._take_post(float("inf")):
                    dropped += post.statuses
                    if await self._post(post, session=session, url=url) == 200:
                        dropped -= post.statuses
        dropped += self.summary()["pending"]
        if dropped:
            log.warning("simulator.webhooks_dropped", statuses=dropped)
