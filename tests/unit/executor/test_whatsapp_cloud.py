"""The Cloud API adapter against a raw server that counts bytes and answers as told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme

from executor.domain.job import Content, Media, Message, Template, Text
from executor.domain.outcome import Outcome, PermitLapsedError, Rejected, Retryable, Sent, Unknown
from executor.infrastructure.providers.noop import Noop
from executor.infrastructure.providers.whatsapp_body import body_of, retry_after_of
from executor.infrastructure.providers.whatsapp_cloud import WhatsAppCloud
from kernel.clock import SystemClock

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


def message(content: Content | None = None) -> Message:
    return Message(
        attempt_id="01890a5d-ac96-774b-bcce-b302099a8057.1",
        provider_account="100001",
        recipient="+5511987654321",
        content=content or Template(name="welcome", language="pt_BR", parameters=("Ana",)),
    )


def http(status: int, body: bytes, **headers: str) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return answer


def error(code: int, status: int = 400, **headers: str) -> Answer:
    return http(status, orjson.dumps({"error": {"code": code, "message": "…"}}), **headers)


YES = http(200, orjson.dumps({"messages": [{"id": "wamid.1"}]}))


@dataclass
class Wire:
    """What the server saw."""

    url: str
    answer: Answer = YES
    received: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    wire = Wire(url="")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.connections += 1
        try:
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    byte = await reader.read(1)
                    if not byte:
                        return
                    wire.received += 1
                    head += byte
                length = int(next(line for line in head.lower().split(b"\r\n") if b"content-length" in line)[15:])
                body = await reader.readexactly(length)
                wire.received += length
                wire.requests.append(head + body)
                if await wire.answer(reader, writer) == "close":
                    return
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    wire.url = f"http{'s' if tls else ''}://localhost:{listening.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        listening.close()


@asynccontextmanager
async def adapter(url: str, *, deadline: float = 2.0) -> AsyncIterator[WhatsAppCloud]:
    cloud = WhatsAppCloud(
        base_url=url,
        api_version="v23.0",
        access_token="secret",
        deadline=deadline,
        connections=4,
        clock=SystemClock(),
    )
    try:
        yield cloud
    finally:
        await cloud.close()


def go() -> None:
    return


def refuse() -> None:
    raise PermitLapsedError


async def send(answer: Answer, *, deadline: float = 2.0) -> Outcome:
    async with server() as wire, adapter(wire.url, deadline=deadline) as cloud:
        wire.answer = answer
        return await cloud.send(message(), go)


async def test_not_one_byte_leaves_when_the_last_hook_refuses() -> None:
    async with server() as wire, adapter(wire.url) as cloud:
        with pytest.raises(PermitLapsedError):
            await cloud.send(message(), refuse)
        assert await cloud.send(message(), go) == Sent(provider_message_id="wamid.1")
        with pytest.raises(PermitLapsedError):
            await cloud.send(message(), refuse)
        seen = len(wire.requests[0])
        await cloud.send(message(), go)
        assert wire.received == seen + len(wire.requests[1]), "on a new connection as on one that is warm"
        assert len(wire.requests) == 2


async def test_a_tls_failure_was_not_sent() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with server(context) as wire, adapter(wire.url) as cloud:
        outcome = await cloud.send(message(), go)
        assert outcome == Retryable(reason="CONNECT_FAILED"), "an authority that nobody knows: a TLS failure"
        assert wire.received == 0


@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "warm connection"])
async def test_nothing_runs_between_the_last_hook_and_the_write(warm: bool) -> None:
    """A callback due in the next turn of the event loop must not come before the first byte is written."""
    order: list[str] = []
    async with server() as wire, adapter(wire.url) as cloud:
        if warm:
            await cloud.send(message(), go)
        write = asyncio.StreamWriter.write

        def watched(self: asyncio.StreamWriter, data: bytes) -> None:
            if data.startswith(b"POST"):
                order.append("write")
            write(self, data)

        def begin() -> None:
            order.append("hook")
            asyncio.get_running_loop().call_soon(order.append, "turn")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.StreamWriter, "write", watched)
            await cloud.send(message(), begin)
    assert order[:3] == ["hook", "write", "turn"]


async def test_connections_are_kept_warm() -> None:
    async with server() as wire, adapter(wire.url) as cloud:
        for _ in range(5):
            await cloud.send(message(), go)
        assert wire.connections == 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_connection_that_took_longer_than_its_permit_serves_the_next_send(
    secure: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = None
    if secure:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with server(context) as wire, adapter(wire.url) as cloud:
        for _ in range(2):
            with pytest.raises(PermitLapsedError):
                await cloud.send(message(), refuse)
        for _ in range(2):
            assert await cloud.send(message(), go) == Sent(provider_message_id="wamid.1")
        with pytest.raises(PermitLapsedError):
            await asyncio.gather(*(cloud.send(message(), refuse) for _ in range(2)))
        assert wire.connections <= 2
        assert len(wire.requests) == 2


async def test_a_connection_that_the_server_closed_while_idle_is_not_used_again() -> None:
    async def yes_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        await YES(reader, writer)
        return "close"

    async with server() as wire, adapter(wire.url) as cloud:
        wire.answer = yes_and_close
        await cloud.send(message(), go)
        await asyncio.sleep(0.05)
        assert await cloud.send(message(), go) == Sent(provider_message_id="wamid.1")


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 503])
async def test_a_readable_code_is_a_definite_answer_whatever_the_http_status(status: int) -> None:
    outcome = await send(error(131026, status if status != 200 else 400))
    assert outcome == Rejected(reason="RECIPIENT_NEVER", provider_code="131026")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, b"<html>"), Unknown(reason="UNREADABLE")),
        (http(200, b"{}"), Unknown(reason="UNREADABLE")),
        (http(500, b"<html>"), Unknown(reason="HTTP_500")),
        (http(502, b""), Unknown(reason="HTTP_502")),
        (http(504, b""), Unknown(reason="HTTP_504")),
        (http(503, b""), Unknown(reason="HTTP_503")),
        (http(400, b"{}"), Unknown(reason="HTTP_400")),
        (http(302, b"", location="https://elsewhere.example"), Unknown(reason="HTTP_302")),
        (http(200, b"x" * 100_000), Unknown(reason="ANSWER_TOO_LARGE")),
    ],
    ids=["html", "no id", "500", "502", "504", "503 alone", "400 without code", "redirect", "endless"],
)
async def test_what_cannot_be_read_is_unknown(answer: Answer, expected: Outcome) -> None:
    assert await send(answer) == expected


@pytest.mark.parametrize("status", [429, 503])
async def test_429_and_503_with_retry_after_were_not_sent(status: int) -> None:
    outcome = await send(http(status, b"", retry_after="7"))
    assert isinstance(outcome, Retryable)
    assert (outcome.reason, outcome.retry_after) == (f"HTTP_{status}", 7.0)


async def test_a_reset_or_silence_after_the_first_byte_is_unknown() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.transport.abort()
        return "close"

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        await reader.read()
        return "close"

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
        return "close"

    assert await send(reset) == Unknown(reason="CONNECTION_BROKEN")
    assert await send(half) == Unknown(reason="CONNECTION_BROKEN")
    assert await send(hang, deadline=0.2) == Unknown(reason="TIMEOUT")


async def test_a_refused_connection_was_not_sent() -> None:
    listening = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    async with adapter(f"http://127.0.0.1:{port}") as cloud:
        assert await cloud.send(message(), go) == Retryable(reason="CONNECT_FAILED")


def test_retry_after_in_seconds_as_a_date_and_from_the_usage_header() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    later = format_datetime(now.replace(minute=2), usegmt=True)
    usage = orjson.dumps({"1": [{"type": "messages", "estimated_time_to_regain_access": 3}]}).decode()
    assert retry_after_of({"retry-after": "30"}, now=now) == 30.0
    assert retry_after_of({"retry-after": later}, now=now) == 120.0
    assert retry_after_of({"retry-after": "soon"}, now=now) is None
    assert retry_after_of({"x-business-use-case-usage": usage}, now=now) == 180.0
    assert retry_after_of({"x-business-use-case-usage": "[}"}, now=now) is None
    assert retry_after_of({}, now=now) is None


def test_what_is_sent_carries_the_attempt_id() -> None:
    body = orjson.loads(body_of(message()))
    assert body["biz_opaque_callback_data"] == "01890a5d-ac96-774b-bcce-b302099a8057.1"
    assert body["template"]["components"][0]["parameters"] == [{"type": "text", "text": "Ana"}]
    assert orjson.loads(body_of(message(Text(body="oi"))))["text"]["body"] == "oi"
    media = Media(kind="audio", link="https://x.example/a.ogg", caption="left out", filename="")
    assert orjson.loads(body_of(message(media)))["audio"] == {"link": "https://x.example/a.ogg"}


async def test_the_noop_provider_obeys_the_last_hook_too() -> None:
    with pytest.raises(PermitLapsedError):
        await Noop().send(message(), refuse)
    assert isinstance(await Noop().send(message(), go), Sent)
