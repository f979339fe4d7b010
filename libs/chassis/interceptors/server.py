"""The layers around every served call, in order, and what ties them to grpc. Knows no service.

telemetry    outermost: its duration is the caller's, and everything inside logs with its trace
log          one line whatever happened inside
errors       turns what was raised into a status; the two above read it from the call
identity     who calls, and may they: before anything of the request is read
deadline     from here on the call may be cut off
validation   reads the request and refuses a bad one: the handler sees none
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.message import Message

from chassis.authorization import is_open
from chassis.interceptors.call import Behaviour, Call, Layer, Listener, current_call

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def around(layers: Sequence[Layer], behaviour: Behaviour) -> Behaviour:
    """Return `behaviour` inside of `layers`, the first one outermost."""
    for layer in reversed(layers):
        behaviour = partial(layer, behaviour)
    return behaviour


class ServerLayers(grpc.aio.ServerInterceptor):
    """Puts the layers around each method of a listener, built at its first call and kept."""

    def __init__(self, listener: Listener, layers: Callable[[Callable[[bytes], Message]], Sequence[Layer]]) -> None:
        self._listener = listener
        self._layers = layers
        self._built: dict[str, _Handler] = {}
        self._streams: dict[asyncio.Task[Any], Call] = {}
        self._ending = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        method = handler_call_details.method
        if (built := self._built.get(method)) is not None:
            return built
        handler = await continuation(handler_call_details)
        # None is a method that nobody serves; the open services come from grpc's own libraries as they are.
        if handler is None or is_open(method):
            return handler
        return self._built.setdefault(method, self._build(method, handler))

    def end_streams(self) -> None:
        """End the streams that are open with UNAVAILABLE, so that their readers go elsewhere."""
        self._ending = True
        for task, call in self._streams.items():
            call.stopping = True
            task.cancel()

    def _build(self, method: str, handler: _Handler) -> _Handler:
        if handler.request_streaming:
            raise TypeError(f"{method}: streams of requests are not served")
        layers = self._layers(cast(Callable[[bytes], Message], handler.request_deserializer))
        inner = _stream(handler) if handler.response_streaming else _unary(handler)
        behaviour = around(layers, inner)
        streaming = handler.response_streaming

        async def serve(raw_request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            call = Call(
                method=method,
                listener=self._listener,
                streaming=streaming,
                context=context,
                metadata=context.invocation_metadata() or (),
                raw_request=raw_request,
            )
            current_call.set(call)
            task = asyncio.current_task()
            if not streaming or task is None:
                return await behaviour(call)
            self._streams[task] = call
            if self._ending:
                call.stopping = True
                task.cancel()
            try:
                return await behaviour(call)
            finally:
                del self._streams[task]

        if streaming:
            return grpc.unary_stream_rpc_method_handler(serve)
        return grpc.unary_unary_rpc_method_handler(serve)


def _unary(handler: _Handler) -> Behaviour:
    serve = cast(Callable[[Any, Any], Awaitable[Any]], handler.unary_unary)
    write = cast(Callable[[Any], bytes], handler.response_serializer)

    async def behaviour(call: Call) -> bytes:
        response = await serve(call.request, call.context)
        return write(response)  # here, so that an answer of a wrong type is an error like any other

    return behaviour


def _stream(handler: _Handler) -> Behaviour:
    serve = cast(Callable[[Any, Any], AsyncGenerator[Any, None]], handler.unary_stream)
    write = cast(Callable[[Any], bytes], handler.response_serializer)

    async def behaviour(call: Call) -> bytes:
        async with aclosing(serve(call.request, call.context)) as responses:
            async for response in responses:
                await call.context.write(write(response))
        return b""

    return behaviour
