"""A span and a duration for every call served. Knows no status but the one the call ended with."""

import time

import grpc
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from chassis.interceptors.call import Behaviour, Call
from chassis.telemetry import KEEP, SECONDS, context_from, meter, tracer

# The server's own trouble; what a caller did wrong is no error of a server's span.
_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_duration = meter.create_histogram(
    "rpc.server.call.duration",
    unit="s",
    description="Duration of calls served.",
    explicit_bucket_boundaries_advisory=SECONDS,
)


def _traceparent(call: Call) -> str:
    for key, value in call.metadata:
        if key == "traceparent" and isinstance(value, str):
            return value
    return ""


async def telemetry(serve: Behaviour, call: Call) -> bytes:
    """Run the call in a span, child of the caller's, and measure it."""
    name, begun = call.method[1:], time.time_ns()
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}
    span = tracer.start_span(
        name, context_from(_traceparent(call)), kind=SpanKind.SERVER, attributes=attributes, start_time=begun
    )
    token = otel_context.attach(trace.set_span_in_context(span))
    try:
        return await serve(call)
    finally:
        otel_context.detach(token)
        attributes["rpc.response.status_code"] = call.status.name
        if call.status in _ERRORS:
            attributes["error.type"] = call.reason or call.status.name
            if not span.is_recording():
                # Below the one that was not kept, so that it is found by the trace id of the log lines.
                inside = trace.set_span_in_context(span)
                span = tracer.start_span(
                    name, inside, kind=SpanKind.SERVER, attributes={**attributes, **KEEP}, start_time=begun
                )
            span.set_status(StatusCode.ERROR, call.reason)
        if span.is_recording():
            span.set_attributes(attributes)
            span.end()
        _duration.record(call.seconds, attributes)
