"""What happens around every call made, in order. Knows no service.

errors       outermost: what the rest ends with comes back as a Failure
telemetry    measures the call and sends the trace along
deadline     every unary call has one
token        only at the public API
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
from grpc.aio import ClientCallDetails, ClientInterceptor, Metadata

from chassis.errors_grpc import from_rpc_error
from chassis.telemetry import SECONDS, current_traceparent, meter

DEFAULT_SECONDS = 30.0

_duration = meter.create_histogram(
    "rpc.client.call.duration",
    unit="s",
    description="Duration of calls made.",
    explicit_bucket_boundaries_advisory=SECONDS,
)

_Continuation = Callable[[ClientCallDetails, Any], Any]


def client_interceptors(token: str | Callable[[], str] | None = None) -> Sequence[ClientInterceptor]:
    """Return the interceptors of a channel; with `token` each call carries it."""
    return [_Unary(token), _Stream(token)]


def _prepared(
    details: ClientCallDetails, token: str | Callable[[], str] | None, default: float | None
) -> ClientCallDetails:
    metadata = Metadata(*(details.metadata or ()))
    if traceparent := current_traceparent():
        metadata.add("traceparent", traceparent)
    if token is not None:
        metadata.add("authorization", f"Bearer {token if isinstance(token, str) else token()}")
    return ClientCallDetails(
        method=details.method,
        timeout=default if details.timeout is None else details.timeout,
        metadata=metadata,
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )


def _record(details: ClientCallDetails, began: float, code: grpc.StatusCode) -> None:
    method = details.method.decode() if isinstance(details.method, bytes) else details.method
    attributes = {"rpc.system.name": "grpc", "rpc.method": method[1:], "rpc.response.status_code": code.name}
    if code is not grpc.StatusCode.OK:
        attributes["error.type"] = code.name
    _duration.record(time.perf_counter() - began, attributes)


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, token: str | Callable[[], str] | None) -> None:
        self._token = token

    async def intercept_unary_unary(
        self, continuation: _Continuation, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        details, began = _prepared(client_call_details, self._token, DEFAULT_SECONDS), time.perf_counter()
        try:
            response = await (await continuation(details, request))
        except grpc.aio.AioRpcError as error:
            _record(details, began, error.code())
            raise from_rpc_error(error) from None
        _record(details, began, grpc.StatusCode.OK)
        return response


class _Stream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, token: str | Callable[[], str] | None) -> None:
        self._token = token

    async def intercept_unary_stream(
        self, continuation: _Continuation, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        details, began = _prepared(client_call_details, self._token, None), time.perf_counter()
        call = await continuation(details, request)

        async def responses() -> AsyncIterator[Any]:
            code = grpc.StatusCode.OK
            try:
                async for response in call:
                    yield response
            except grpc.aio.AioRpcError as error:
                code = error.code()
                raise from_rpc_error(error) from None
            finally:
                call.cancel()
                _record(details, began, code)

        return responses()
