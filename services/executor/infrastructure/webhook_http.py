"""The webhooks' HTTP edge: subscription, signature, durable before 200. Knows nothing of what a webhook says."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog
from aiohttp import web

from kernel.errors import Failure
from kernel.ids import uuid7

PATH = "/webhooks/whatsapp"
MOST_BYTES = 3 * 1024 * 1024  # Meta posts at most 3 MB
_SIGNATURE = "X-Hub-Signature-256"
_PREFIX = "sha256="

log = structlog.get_logger("executor")

Keep = Callable[[Sequence[tuple[UUID, bytes]]], Awaitable[None]]


class WebhookReceiver:
    """Takes webhooks whose signature fits one of the secrets; there are two while they are being exchanged."""

    def __init__(self, *, verify_token: str, secrets: Sequence[str], keep: Keep, kept: Callable[[], None]) -> None:
        self._verify_token = verify_token.encode()
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._inbox = GroupCommit(keep)
        self._kept = kept

    def routes(self) -> list[web.RouteDef]:
        """Return what the HTTP listener serves."""
        return [web.get(PATH, self.verify, allow_head=False), web.post(PATH, self.receive)]

    async def verify(self, request: web.Request) -> web.Response:
        """Answer the subscription's handshake."""
        given = request.query.get("hub.verify_token", "").encode()
        if request.query.get("hub.mode") != "subscribe" or not hmac.compare_digest(given, self._verify_token):
            return web.Response(status=403)
        return web.Response(text=request.query.get("hub.challenge", "")[:256])

    async def receive(self, request: web.Request) -> web.Response:
        """Keep a webhook and answer 200 once it is committed; anything else makes the provider post it again."""
        body = await _read(request)
        if body is None:
            return web.Response(status=413)
        if not self._signed(body, request.headers.get(_SIGNATURE, "")):
            log.warning("executor.webhook_signature_refused", bytes=len(body))
            return web.Response(status=401)
        try:
            await self._inbox.add(body)
        except Failure as failure:
            log.warning("executor.webhook_not_kept", reason=failure.reason)
            return web.Response(status=503, headers={"Retry-After": "1"})
        self._kept()
        return web.Response()

    def _signed(self, body: bytes, signature: str) -> bool:
        """Compare in constant time, with every secret whatever the first one says."""
        given = signature.removeprefix(_PREFIX).encode(errors="replace")
        fits = [
            hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), given)
            for secret in self._secrets
        ]
        return signature.startswith(_PREFIX) and any(fits)


class GroupCommit:
    """Keeps bodies: an idle one commits at once, what comes meanwhile is the next commit."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._waiting: list[tuple[UUID, bytes]] = []
        self._next: asyncio.Future[None] | None = None
        self._committing: asyncio.Task[None] | None = None

    async def add(self, body: bytes) -> None:
        """Return when `body` is committed. Raises `Failure` if it could not be."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._waiting.append((uuid7(), body))
        committed = self._next
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        await asyncio.shield(committed)

    async def _commit_all(self) -> None:
        while self._waiting and self._next is not None:
            batch, self._waiting = self._waiting, []
            told, self._next = self._next, None
            try:
                await self._keep(batch)
            except Exception as error:  # noqa: BLE001 - each of those who wait is told
                told.set_exception(error)
                told.exception()
            else:
                told.set_result(None)
        self._committing = None


async def _read(request: web.Request) -> bytes | None:
    """Return the raw body, or None if it is too long."""
    if (request.content_length or 0) > MOST_BYTES:
        return None
    body = bytearray()
    async for part in request.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)
