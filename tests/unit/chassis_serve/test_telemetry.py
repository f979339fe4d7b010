"""A call is one span below its caller's, kept by the ratio unless it failed; its duration is always measured."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import telemetry
from chassis.interceptors import server_telemetry
from chassis.interceptors.call import Call, Listener
from chassis.telemetry import KeepOr, context_from, current_traceparent

METHOD = "whatlead.gate.v1.GateService/SubmitIntents"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
NOT_SAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


def is_sampled(traceparent: str) -> bool:
    return bool(int(traceparent[-2:], 16) & trace.TraceFlags.SAMPLED)


async def spans_of(
    monkeypatch: pytest.MonkeyPatch, *, traceparent: str = "", ratio: float = 1.0, status: grpc.StatusCode
) -> tuple[Sequence[ReadableSpan], str]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=KeepOr(ratio))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(server_telemetry, "tracer", provider.get_tracer("test"))
    unread: Any = None
    call = Call(
        method=f"/{METHOD}",
        listener=Listener.PUBLIC,
        streaming=False,
        context=unread,
        metadata=(("user-agent", "x"), *((("traceparent", traceparent),) if traceparent else ())),
        raw_request=b"",
    )

    async def serve(call: Call) -> bytes:
        call.status, call.reason = status, "" if status is grpc.StatusCode.OK else "SOME_REASON"
        return current_traceparent().encode()

    inside = await server_telemetry.telemetry(serve, call)
    assert current_traceparent() == ""
    return exporter.get_finished_spans(), inside.decode()


async def test_a_call_is_a_span_below_its_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    (span,), inside = await spans_of(monkeypatch, traceparent=SAMPLED, ratio=0, status=grpc.StatusCode.OK)
    assert span.name == METHOD
    assert span.kind is trace.SpanKind.SERVER
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert span.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "OK",
    }
    assert inside.startswith(f"00-{TRACE}-")
    assert is_sampled(inside)


@pytest.mark.parametrize(
    ("traceparent", "ratio"), [(NOT_SAMPLED, 1.0), ("", 0.0)], ids=["the caller's choice", "the ratio"]
)
async def test_an_unsampled_call_costs_no_span(monkeypatch: pytest.MonkeyPatch, traceparent: str, ratio: float) -> None:
    spans, inside = await spans_of(monkeypatch, traceparent=traceparent, ratio=ratio, status=grpc.StatusCode.OK)
    assert spans == ()
    assert not is_sampled(inside)


async def test_a_failed_call_is_kept_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (span,), inside = await spans_of(monkeypatch, traceparent=NOT_SAMPLED, status=grpc.StatusCode.INTERNAL)
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert TRACE in inside
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "SOME_REASON"


async def test_what_the_caller_did_wrong_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    (span,), _ = await spans_of(monkeypatch, traceparent=SAMPLED, status=grpc.StatusCode.NOT_FOUND)
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"


async def test_every_call_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    histogram = MeterProvider([reader]).get_meter("test").create_histogram("rpc.server.call.duration", unit="s")
    monkeypatch.setattr(server_telemetry, "_duration", histogram)
    await spans_of(monkeypatch, ratio=0, status=grpc.StatusCode.OK)
    data: Any = reader.get_metrics_data()
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert point.count == 1
    assert point.attributes["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize("traceparent", ["", "garbage", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_a_bad_traceparent_starts_a_new_trace(traceparent: str) -> None:
    assert not trace.get_current_span(context_from(traceparent)).get_span_context().is_valid


def test_a_traceparent_survives_the_round_trip() -> None:
    span = trace.get_current_span(context_from(SAMPLED))
    with trace.use_span(span):
        assert current_traceparent() == SAMPLED


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to +5511987654321 failed", "to <number> failed"),
        ("'5511987654321'", "'<number>'"),
        ("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("line 123, port 54321", "line 123, port 54321"),
    ],
)
def test_numbers_are_taken_out_of_tracebacks(text: str, masked: str) -> None:
    assert telemetry._mask_numbers(None, "", {"exception": text})["exception"] == masked
