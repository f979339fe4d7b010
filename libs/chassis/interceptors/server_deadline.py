"""A bound on every unary call, also for callers that set none. Streams stay open. Knows no handler."""

import asyncio

from chassis.interceptors.call import Behaviour, Call
from kernel.errors import Failure, Kind

DEFAULT_SECONDS = 30.0


async def deadline(serve: Behaviour, call: Call) -> bytes:
    """Cut the call off at its own deadline (grpc does that too, but not always first), or at the default."""
    if call.streaming:
        return await serve(call)
    remaining = call.context.time_remaining()
    try:
        async with asyncio.timeout(DEFAULT_SECONDS if remaining is None else remaining) as bound:
            return await serve(call)
    except TimeoutError:
        if not bound.expired():
            raise
        raise Failure(Kind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the call did not end before its deadline") from None
