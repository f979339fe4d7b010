"""What a call raised, as its status. Nothing else ends a call. Knows no handler."""

import asyncio
from datetime import timedelta
from typing import NoReturn

import grpc
import structlog
from grpc_status import rpc_status

from chassis.errors_grpc import code_of, to_status
from chassis.interceptors.call import Behaviour, Call
from kernel.errors import Failure, Kind
from kernel.ids import uuid7

_STOPPING = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "the server is stopping", retry_after=timedelta(milliseconds=500))

log = structlog.get_logger(__name__)


async def errors(serve: Behaviour, call: Call) -> bytes:
    """Answer a Failure with its status and a bug with INTERNAL and a correlation id, nothing else."""
    try:
        return await serve(call)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if call.stopping and task is not None:
            task.uncancel()
            await _abort(call, _STOPPING)
        # No answer arrives any more: the caller left, or its deadline has passed.
        over = (remaining := call.context.time_remaining()) is not None and remaining <= 0
        call.status = grpc.StatusCode.DEADLINE_EXCEEDED if over else grpc.StatusCode.CANCELLED
        raise
    except Exception as error:  # noqa: BLE001 the outermost place of a call: what arrives here is answered and logged
        failure = _failure_in(error)
        if failure is None or failure.kind is Kind.INTERNAL:
            await _bug(call, error)
        await _abort(call, failure)


def _failure_in(error: BaseException) -> Failure | None:
    """Return the Failure that was raised, also out of a task group."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Failure) else None


async def _bug(call: Call, error: Exception) -> NoReturn:
    correlation_id = str(uuid7())
    call.notes["correlation_id"] = correlation_id
    log.error("call.failed", method=call.method, correlation_id=correlation_id, exc_info=error)
    failure = Failure(Kind.INTERNAL, "INTERNAL", f"internal error, correlation id {correlation_id}")
    await _abort(call, failure, {"correlation_id": correlation_id})


async def _abort(call: Call, failure: Failure, metadata: dict[str, str] | None = None) -> NoReturn:
    call.status, call.reason = code_of(failure.kind), failure.reason
    status = rpc_status.to_status(to_status(failure, metadata))
    await call.context.abort(status.code, status.details, status.trailing_metadata)
