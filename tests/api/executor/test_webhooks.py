"""The webhooks' HTTP edge: handshake, signature over the raw body, durable before 200."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web

from executor.infrastructure.webhook_http import MOST_BYTES, PATH, WebhookReceiver
from kernel.errors import Failure, Kind


class Inbox:
    """Keeps webhooks, each commit when it is let through."""

    def __init__(self) -> None:
        self.commits: list[Sequence[tuple[UUID, bytes]]] = []
        self.rung = 0
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Failure | None = None

    async def keep(self, webhooks: Sequence[tuple[UUID, bytes]]) -> None:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.commits.append(webhooks)

    def kept(self) -> None:
        self.rung += 1


def signed(body: bytes, secret: str = "new") -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@asynccontextmanager
async def receiver(inbox: Inbox) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    application = web.Application()
    receiving = WebhookReceiver(verify_token="v", secrets=["new", "old"], keep=inbox.keep, kept=inbox.kept)
    application.add_routes(receiving.routes())
    runner = web.AppRunner(application, lingering_time=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            yield session, f"http://127.0.0.1:{port}{PATH}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("token", "mode", "status", "echoed"),
    [("v", "subscribe", 200, "42"), ("w", "subscribe", 403, ""), ("v", "unsubscribe", 403, ""), ("", "", 403, "")],
)
async def test_the_handshake_is_answered_to_who_knows_the_token(
    token: str, mode: str, status: int, echoed: str
) -> None:
    question = {"hub.mode": mode, "hub.verify_token": token, "hub.challenge": "42"}
    async with receiver(Inbox()) as (http, url), http.get(url, params=question) as answer:
        assert (answer.status, await answer.text()) == (status, echoed)


@pytest.mark.parametrize("secret", ["new", "old"])
async def test_both_secrets_count_while_they_are_exchanged(secret: str) -> None:
    inbox = Inbox()
    async with receiver(inbox) as (http, url), http.post(url, data=b"{}", headers=signed(b"{}", secret)) as answer:
        assert answer.status == 200
    assert [body for _, body in inbox.commits[0]] == [b"{}"]
    assert inbox.rung == 1


@pytest.mark.parametrize(
    "headers",
    [{}, signed(b"{} "), signed(b"{}", "other"), {"X-Hub-Signature-256": "sha256="}, {"X-Hub-Signature-256": "é"}],
    ids=["none", "another body's", "another secret's", "empty", "not ascii"],
)
async def test_what_is_not_signed_over_these_very_bytes_is_refused_and_not_kept(headers: dict[str, str]) -> None:
    inbox = Inbox()
    async with receiver(inbox) as (http, url), http.post(url, data=b"{}", headers=headers) as answer:
        assert answer.status == 401
    assert not inbox.commits


async def test_a_body_that_is_too_long_is_refused() -> None:
    inbox = Inbox()
    body = b"x" * (MOST_BYTES + 1)
    async with receiver(inbox) as (http, url), http.post(url, data=body, headers=signed(body)) as answer:
        assert answer.status == 413
    assert not inbox.commits


async def test_200_comes_after_the_commit_and_those_who_wait_share_one() -> None:
    inbox = Inbox()
    inbox.open.clear()

    async def post(http: aiohttp.ClientSession, url: str) -> int:
        async with http.post(url, data=b"{}", headers=signed(b"{}")) as answer:
            return answer.status

    async with receiver(inbox) as (http, url):
        posts = [asyncio.create_task(post(http, url)) for _ in range(20)]
        _, waiting = await asyncio.wait(posts, timeout=0.2)
        assert len(waiting) == 20, "nothing is committed yet"
        inbox.open.set()
        assert set(await asyncio.gather(*posts)) == {200}
    assert len(inbox.commits) <= 3
    assert sum(len(commit) for commit in inbox.commits) == 20


async def test_a_webhook_that_could_not_be_kept_is_to_be_posted_again() -> None:
    inbox = Inbox()
    inbox.failure = Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")
    async with receiver(inbox) as (http, url), http.post(url, data=b"{}", headers=signed(b"{}")) as answer:
        assert answer.status == 503
    assert inbox.rung == 0
