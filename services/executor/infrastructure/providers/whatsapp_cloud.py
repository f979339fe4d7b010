"""WhatsApp's Cloud API: `POST /{version}/{phone_number_id}/messages`. Knows no job; it translates, once per send.

A readable error code is a definite answer whatever the HTTP status. What cannot be read after the first byte left is
Unknown. The last hook is the trace event before the request's headers are written.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import orjson

from executor.domain.job import Message
from executor.domain.outcome import Backoff, Outcome, Retryable, Sent, Unknown
from executor.infrastructure.providers.direct_transport import DirectTransport
from executor.infrastructure.providers.error_table import ErrorTable
from executor.infrastructure.providers.whatsapp_body import body_of, retry_after_of
from kernel.clock import Clock

ERRORS = ErrorTable.load("whatsapp_cloud_errors")
LAST_HOOK = "http11.send_request_headers.started"
_ANSWER_BYTES = 64 * 1024
_KEEPALIVE_SECONDS = 30.0
_UNNAMED = Backoff(first=5.0, cap=300.0)


class _AnswerTooLargeError(Exception):
    pass


class WhatsAppCloud:
    """One Graph API host with one access token."""

    def __init__(
        self,
        *,
        base_url: str,
        api_version: str,
        access_token: str,
        deadline: float,
        connections: int,
        clock: Clock,
    ) -> None:
        self._path = f"{base_url.rstrip('/')}/{api_version}"
        self._host = base_url
        self._deadline = deadline
        self._clock = clock
        self._client = httpx.AsyncClient(
            transport=DirectTransport(
                connections=connections,
                keepalive_seconds=_KEEPALIVE_SECONDS,
                verify=ssl.create_default_context(),
            ),
            headers={"authorization": f"Bearer {access_token}", "content-type": "application/json"},
            timeout=httpx.Timeout(deadline),
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def health(self) -> bool:
        """Tell whether the host takes connections."""
        try:
            await self._client.get(self._host, timeout=2.0)
        except httpx.HTTPError:
            return False
        return True

    async def send(self, message: Message, begin: Callable[[], None]) -> Outcome:
        """Send `message` within the deadline. What `begin` raises passes through, with 0 bytes sent."""
        hook = _Hook(begin)
        try:
            async with asyncio.timeout(self._deadline):
                status, headers, content = await self._post(message, hook)
        except TimeoutError:
            return Unknown(reason="TIMEOUT") if hook.passed else Retryable(reason="CONNECT_TIMEOUT")
        except httpx.TimeoutException:
            return Unknown(reason="TIMEOUT") if hook.passed else Retryable(reason="CONNECT_TIMEOUT")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            if not hook.passed:
                return Retryable(reason="CONNECT_FAILED")
            return Unknown(reason="CONNECTION_BROKEN" if isinstance(error, httpx.TransportError) else "UNREADABLE")
        except _AnswerTooLargeError:
            return Unknown(reason="ANSWER_TOO_LARGE")
        return self._read(status, headers, content)

    async def _post(self, message: Message, hook: "_Hook") -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream(
            "POST",
            f"{self._path}/{message.provider_account}/messages",
            content=body_of(message),
            extensions={"trace": hook},
        ) as response:
            content = b""
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _ANSWER_BYTES:
                    raise _AnswerTooLargeError
            return response.status_code, response.headers, content

    def _read(self, status: int, headers: httpx.Headers, content: bytes) -> Outcome:
        answer = _parsed(content)
        if status == 200:
            message_id = _message_id(answer)
            return Sent(provider_message_id=message_id) if message_id else Unknown(reason="UNREADABLE")
        retry_after = retry_after_of(headers, now=self._clock.now())
        code = _code(answer)
        if code is not None:
            return ERRORS.answer(code, http_status=status, retry_after=retry_after)
        if status == 429:
            return Retryable(reason="HTTP_429", retry_after=retry_after, backoff=_UNNAMED)
        if status == 503 and retry_after is not None:
            return Retryable(reason="HTTP_503", retry_after=retry_after, backoff=_UNNAMED)
        return Unknown(reason=f"HTTP_{status}")


class _Hook:
    """Calls `begin` at the last trace event before the first byte, and remembers that it let the request go."""

    __slots__ = ("_begin", "passed")

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self.passed = False

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == LAST_HOOK:
            self._begin()
            self.passed = True


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return None


def _message_id(answer: Any) -> str:
    match answer:
        case {"messages": [{"id": str(message_id)}, *_]}:
            return message_id.replace("\0", "")[:256]
        case _:
            return ""


def _code(answer: Any) -> str | None:
    match answer:
        case {"error": {"code": int(code)}} if not isinstance(code, bool):
            return str(code)[:32]
        case _:
            return None
