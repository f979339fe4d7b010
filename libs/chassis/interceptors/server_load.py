"""Room for the calls that must always get in: others are refused while a listener is full. Knows no handler.

It stands before all layers and before the request is read, so that whatever holds a place counts, also a call whose
request never comes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Any, NoReturn, TypeAlias

import grpc
from grpc_status import rpc_status

from chassis.errors_grpc import to_status
from chassis.telemetry import meter
from kernel.errors import Failure, Kind

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_FULL = rpc_status.to_status(
    to_status(
        Failure(
            Kind.RESOURCE_EXHAUSTED,
            "LIMIT_EXCEEDED",
            "too many calls are open here; try again",
            retry_after=timedelta(seconds=1),
        )
    )
)
_refused = meter.create_counter("whatlead.calls.refused", description="Calls refused because too many were open.")


class Load(grpc.aio.ServerInterceptor):
    """Refuses what is not `priority` (`/package.Service/Name`) above `limit` open calls."""

    def __init__(self, *, limit: int, priority: Collection[str]) -> None:
        self._limit = limit
        self._priority = priority
        self._calls: set[asyncio.Task[Any]] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        if len(self._calls) >= self._limit and handler_call_details.method not in self._priority:
            _refused.add(1)
            return grpc.stream_unary_rpc_method_handler(_refuse)  # the kind that waits for no request
        if (task := asyncio.current_task()) is not None:  # grpc's task of this call, which ends with it
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return await continuation(handler_call_details)


async def _refuse(requests: object, context: "grpc.aio.ServicerContext[Any, Any]") -> NoReturn:
    await context.abort(_FULL.code, _FULL.details, _FULL.trailing_metadata)
