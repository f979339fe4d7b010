"""`POST /{phone_number_id}/messages` as the Cloud API answers it. Knows of its caller the token alone."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import orjson
from aiohttp import ClientError, web

from simulator.delivery import WebhookDelivery
from simulator.fate import Answer, Fate, StatusName, draw_fate
from simulator.graph_errors import error_body, graph_error
from simulator.http_server import arrival_time
from simulator.ledger import Accepted, Arrival, Ledger
from simulator.message_body import BadRequest, Message, read_message
from simulator.profile import Profile
from simulator.recipients import resolve_recipient
from simulator.script import Script
from simulator.webhooks import Told

_GARBAGE = b'{"messaging_product":"whatsapp","contacts":[{"inp\xff\xfe\x00'
_UNREADABLE = b"<html><head><title>Error</title></head><body>Sorry, something went wrong.</body></html>"
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudApi:
    """The endpoint with everything it works on. `closing` cuts hangs short."""

    seed: int
    profile: Profile
    access_token: bytes
    ledger: Ledger
    script: Script
    webhooks: WebhookDelivery
    closing: asyncio.Event

    async def send(self, request: web.BaseRequest, phone_number_id: str) -> web.StreamResponse:
        """Answer one send: check it, record it, and let its fate happen."""
        arrived_at = arrival_time(request)
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._record(arrived_at, phone_number_id, outcome="too_large", code=100)
            return error_answer(code=100, details="The request body is too large.", http_status=413)
        except (ClientError, ConnectionError, web.PayloadAccessError):
            self._record(arrived_at, phone_number_id, outcome="cut_off")
            return web.Response()
        if not self._authorized(request):
            code = 190 if "Authorization" in request.headers else 0
            self._record(arrived_at, phone_number_id, outcome="unauthorized", code=code)
            return error_answer(code=code)
        try:
            if not phone_number_id.isdigit() or not phone_number_id.isascii():
                raise BadRequest(100, "Unsupported post request. Object with this ID does not exist.")
            message = read_message(content)
        except BadRequest as refused:
            self._record(arrived_at, phone_number_id, outcome="invalid", code=refused.code)
            return error_answer(code=refused.code, details=refused.details)
        fate = self._fate(message, content, phone_number_id)
        attempt_id = message.callback_data
        self._record(arrived_at, phone_number_id, outcome=fate.answer.value, code=fate.code, attempt_id=attempt_id)
        await asyncio.sleep(fate.latency)
        return await self._answer(request, message, fate, phone_number_id, arrived_at)

    async def _answer(
        self, request: web.BaseRequest, message: Message, fate: Fate, phone_number_id: str, arrived_at: float
    ) -> web.StreamResponse:
        accepted = b""
        if fate.answer.accepts:
            accepted = self._accept(message, fate, phone_number_id, arrived_at)
        match fate.answer:
            case Answer.ACCEPTED:
                return _json(accepted, headers=fate.headers)
            case Answer.REFUSED:
                if fate.code is None:
                    return _page(_UNREADABLE, http_status=fate.http_status or 500, headers=fate.headers)
                return error_answer(code=fate.code, http_status=fate.http_status, headers=fate.headers)
            case Answer.RESET_BEFORE_ACCEPTANCE | Answer.LOST_ANSWER:
                return _hang_up(request, abrupt=fate.abrupt)
            case Answer.HANG_BEFORE_ACCEPTANCE:
                await self._hang(fate.hang)
                return _hang_up(request, abrupt=fate.abrupt)
            case Answer.HANG_AFTER_ACCEPTANCE:
                await self._hang(fate.hang)
                return _json(accepted, headers=fate.headers)
            case Answer.GARBAGE:
                return _page(_GARBAGE, http_status=fate.http_status or 200, headers=fate.headers)
            case _:
                assert_never(fate.answer)

    def _fate(self, message: Message, content: bytes, phone_number_id: str) -> Fate:
        scripted = self.script.take(
            attempt_id=message.callback_data, recipient=message.recipient, phone_number_id=phone_number_id
        )
        if scripted is not None:
            return scripted
        key = content if message.callback_data is None else message.callback_data.encode()
        return draw_fate(seed=self.seed, profile=self.profile, key=key)

    def _accept(self, message: Message, fate: Fate, phone_number_id: str, arrived_at: float) -> bytes:
        accepted_at = time.time()
        wa_id = resolve_recipient(
            seed=self.seed, short_form_share=self.profile.short_form_share, recipient=message.recipient
        )
        wamid = _wamid(wa_id, f"{accepted_at!r} {self.ledger.accepted_count} {message.callback_data}")
        self.ledger.record_accepted(
            Accepted(
                attempt_id=message.callback_data,
                wamid=wamid,
                phone_number_id=phone_number_id,
                arrived_at=arrived_at,
                accepted_at=accepted_at,
            )
        )
        told = Told(
            phone_number_id=phone_number_id,
            wamid=wamid,
            recipient=wa_id,
            callback_data=message.callback_data,
            status=StatusName.SENT,
            timestamp=accepted_at,
        )
        self.webhooks.plan(told=told, planned=fate.statuses)
        return orjson.dumps(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": message.recipient, "wa_id": wa_id}],
                "messages": [{"id": wamid, "message_status": "accepted"}],
            }
        )

    def _authorized(self, request: web.BaseRequest) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(given, self.access_token)

    async def _hang(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closing.wait()

    def _record(
        self,
        arrived_at: float,
        phone_number_id: str,
        *,
        outcome: str,
        code: int | None = None,
        attempt_id: str | None = None,
    ) -> None:
        self.ledger.record_arrival(
            Arrival(
                arrived_at=arrived_at,
                phone_number_id=phone_number_id,
                attempt_id=attempt_id,
                outcome=outcome,
                code=code,
            )
        )


def error_answer(
    *,
    code: int,
    details: str | None = None,
    http_status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return the Graph API's error answer; the HTTP status is that of the code unless given."""
    trace = (
        "A"
        + base64.urlsafe_b64encode(hashlib.blake2b(str(time.time_ns()).encode(), digest_size=16).digest())[:22].decode()
    )
    content = orjson.dumps(error_body(code=code, details=details, trace=trace))
    return _json(content, http_status=http_status or graph_error(code).http_status, headers=headers)


def _wamid(wa_id: str, key: str) -> str:
    """Return an id as WhatsApp makes them: in Base64, around the recipient's number, and unique by what follows it."""
    unique = hashlib.blake2b(key.encode(), digest_size=9).hexdigest().upper()
    told = b"\x1c\x18" + bytes([len(wa_id)]) + wa_id.encode() + b"\x15\x02\x00\x11\x18\x12" + unique.encode() + b"\x00"
    return "wamid." + base64.b64encode(told).decode()


def _json(content: bytes, *, http_status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=content, status=http_status, headers=headers, content_type="application/json")


def _page(content: bytes, *, http_status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(body=content, status=http_status, headers=headers, content_type="text/html")


def _hang_up(request: web.BaseRequest, *, abrupt: bool) -> web.Response:
    transport = request.transport
    if transport is not None:
        if abrupt:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        request.protocol.force_close()
    return web.Response()
