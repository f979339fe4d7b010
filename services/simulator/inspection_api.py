"""`/_simulator/…`: what checks and tests ask of the simulator. Has no recipient and no text to tell."""

import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass

import orjson
from aiohttp import web

from simulator.delivery import WebhookDelivery
from simulator.ledger import Accepted, Arrival, Ledger
from simulator.script import Script, read_script
from simulator.webhooks import verify_subscription

_LINES_A_WRITE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionApi:
    """The endpoints with everything they look at."""

    ledger: Ledger
    script: Script
    webhooks: WebhookDelivery
    webhook_url: str | None
    verify_token: str | None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one call, or 404 with the calls there are."""
        calls: dict[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            "GET /_simulator/accepted": self._accepted,
            "GET /_simulator/arrivals": self._arrivals,
            "GET /_simulator/stats": self._stats,
            "GET /_simulator/healthz": self._health,
            "POST /_simulator/fates": self._fates,
            "POST /_simulator/reset": self._reset,
            "POST /_simulator/verify": self._verify,
        }
        call = calls.get(f"{request.method} {request.path}")
        if call is None:
            return _refusal(404, f"no such call; there are: {', '.join(calls)}")
        return await call(request)

    async def _accepted(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _lines(request, list(self.ledger.accepted))

    async def _arrivals(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _lines(request, list(self.ledger.arrivals))

    async def _stats(self, _: web.BaseRequest) -> web.StreamResponse:
        rest = {"scripted_left": self.script.left(), "webhooks": self.webhooks.summary()}
        return _json({**self.ledger.summary(), **rest})

    async def _health(self, _: web.BaseRequest) -> web.StreamResponse:
        return _json({"status": "SERVING"})

    async def _fates(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self.script.add(read_script(await request.read()))
        except ValueError as bad:
            return _refusal(400, str(bad))
        return _json({"scripted_left": self.script.left()})

    async def _reset(self, _: web.BaseRequest) -> web.StreamResponse:
        self.ledger.clear()
        self.script.clear()
        self.webhooks.clear()
        return web.Response(status=204)

    async def _verify(self, _: web.BaseRequest) -> web.StreamResponse:
        if self.webhook_url is None or self.verify_token is None:
            return _refusal(409, "set WHATLEAD_SIMULATOR_WEBHOOK_URL and WHATLEAD_SIMULATOR_VERIFY_TOKEN first")
        return _json(await verify_subscription(url=self.webhook_url, verify_token=self.verify_token))


async def _lines(request: web.BaseRequest, entries: Iterable[Accepted | Arrival]) -> web.StreamResponse:
    after = request.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 12):
        return _refusal(400, "after must be a whole number: how many entries to skip")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    rest = itertools.islice(entries, int(after), None)
    while chunk := list(itertools.islice(rest, _LINES_A_WRITE)):
        await response.write(b"".join(orjson.dumps(asdict(entry)) + b"\n" for entry in chunk))
    await response.write_eof()
    return response


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def _refusal(http_status: int, message: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": message}), status=http_status, content_type="application/json")
