"""A simulator and a webhook receiver, both real servers in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import orjson
import pytest
from aiohttp import web

from simulator.__main__ import running
from simulator.settings import SimulatorSettings


class Receiver:
    """Keep every post; answer as told; `until` waits for what the posts must add up to."""

    def __init__(self) -> None:
        self.posts: list[tuple[bytes, str]] = []
        self.http_status = 200
        self.port = 0
        self._changed = asyncio.Condition()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            known = request.query["hub.verify_token"] == "verify"
            return web.Response(text=request.query["hub.challenge"] if known else "", status=200 if known else 403)
        self.posts.append((await request.read(), request.headers["X-Hub-Signature-256"]))
        async with self._changed:
            self._changed.notify_all()
        return web.Response(status=self.http_status)

    def statuses(self) -> list[dict[str, Any]]:
        changes = [change for raw, _ in self.posts for change in orjson.loads(raw)["entry"][0]["changes"]]
        return [status for change in changes for status in change["value"]["statuses"]]

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(reached)

    async def listen(self, stack: AsyncExitStack) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        return runner


@pytest.fixture
def eventually() -> Callable[..., Any]:
    async def reached(check: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(500):
            if await check():
                return
            await asyncio.sleep(0.02)
        pytest.fail("not reached within ten seconds")

    return reached


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def receiver(stack: AsyncExitStack) -> Receiver:
    receiver = Receiver()
    receiver.runner = await receiver.listen(stack)
    return receiver


@pytest.fixture
def start(stack: AsyncExitStack, receiver: Receiver) -> Callable[..., Any]:
    """Start a simulator with the settings given and return a client that knows its token."""

    async def started(**settings: Any) -> httpx.AsyncClient:
        usual = {
            "listen": "127.0.0.1:0",
            "profile": "clean",
            "access_token": "token",
            "app_secret": "secret",
            "verify_token": "verify",
            "webhook_url": f"http://127.0.0.1:{receiver.port}/webhooks/whatsapp",
        }
        port = await stack.enter_async_context(running(SimulatorSettings(**(usual | settings))))
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer token"})
        return await stack.enter_async_context(client)

    return started
