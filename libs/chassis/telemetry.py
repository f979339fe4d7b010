"""Traces, metrics and logs of a process, set up once. Knows no call, message or service.

Without an endpoint nothing is recorded, yet every call has a trace id, so that log lines can be joined.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import ServiceSettings

tracer = trace.get_tracer("whatlead")
meter = metrics.get_meter("whatlead")

# A span started with these attributes is kept whatever the ratio says: errors, blocked intents.
KEEP: Mapping[str, bool] = {"whatlead.keep": True}
# Bounds of every duration histogram.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

_GRPC_PORT = 4317
_NUMBER = re.compile(r"(?<![\w.-])\+?\d{10,15}(?![\w-])")
_FLUSH_MILLISECONDS = 3_000
_propagator = TraceContextTextMapPropagator()


class KeepOr(Sampler):
    """Keeps the spans that must be kept, and of new traces the share `ratio`; a trace once kept is kept whole."""

    def __init__(self, ratio: float) -> None:
        self._otherwise = ParentBased(TraceIdRatioBased(ratio))

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *rest: Any, **named: Any) -> SamplingResult:
        attributes = named.get("attributes") or (rest[1] if len(rest) > 1 else None) or {}
        sampler = ALWAYS_ON if "whatlead.keep" in attributes else self._otherwise
        return sampler.should_sample(parent_context, trace_id, name, *rest, **named)

    def get_description(self) -> str:
        return "KeepOr"


class Telemetry:
    """What was set up, to be flushed at the end."""

    def __init__(self, traces: TracerProvider, meters: MeterProvider) -> None:
        self._traces = traces
        self._meters = meters

    def shutdown(self) -> None:
        """Send what is left, within a few seconds."""
        self._traces.force_flush(_FLUSH_MILLISECONDS)
        self._traces.shutdown()
        self._meters.shutdown(timeout_millis=_FLUSH_MILLISECONDS)


def configure(service: str, settings: ServiceSettings) -> Telemetry:
    """Set up tracer, meter and logs of this process. Once only."""
    _configure_logs(service, settings.log_level)
    resource = Resource.create({"service.name": service, "service.namespace": "whatlead"})
    readers: list[MetricReader] = [PrometheusMetricReader()]
    if settings.otlp_endpoint is None:
        traces = TracerProvider(resource=resource, sampler=ALWAYS_OFF)
    else:
        traces = TracerProvider(resource=resource, sampler=KeepOr(settings.trace_sample_ratio))
        span_exporter, metric_reader = _exporters(settings.otlp_endpoint)
        traces.add_span_processor(BatchSpanProcessor(span_exporter))
        readers.append(metric_reader)
    meters = MeterProvider(resource=resource, metric_readers=readers)
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(meters)
    return Telemetry(traces, meters)


def _exporters(endpoint: str) -> tuple[SpanExporter, MetricReader]:
    parts = urlsplit(endpoint)
    if parts.port == _GRPC_PORT:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        insecure = parts.scheme == "http"
        return (
            OTLPSpanExporter(endpoint=endpoint, insecure=insecure),
            PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=insecure)),
        )
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter

    stem = endpoint.rstrip("/")
    return (
        HttpSpanExporter(endpoint=f"{stem}/v1/traces"),
        PeriodicExportingMetricReader(HttpMetricExporter(endpoint=f"{stem}/v1/metrics")),
    )


def current_traceparent() -> str:
    """Return the W3C traceparent of what runs now, or an empty string."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def context_from(traceparent: str) -> otel_context.Context:
    """Return the context to start a span in as the child of `traceparent`; an empty or bad one starts a new trace."""
    return _propagator.extract({"traceparent": traceparent}, context=otel_context.Context())


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    span = trace.get_current_span().get_span_context()
    event["trace_id"] = f"{span.trace_id:032x}"
    event["span_id"] = f"{span.span_id:016x}"
    return event


def _mask_numbers(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take phone numbers out of tracebacks: a library's error may quote the value it choked on."""
    if isinstance(text := event.get("exception"), str):
        event["exception"] = _NUMBER.sub("<number>", text)
    return event


def _dump(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str)


def _configure_logs(service: str, level: str) -> None:
    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        _add_trace,
    ]
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.reset_defaults()
    if sys.stdout.isatty():
        # Without the values of local variables, which hold whole requests.
        renderer: Any = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        text = renderer
        factory: Any = structlog.WriteLoggerFactory(sys.stdout)
    else:
        shared += [structlog.processors.format_exc_info, _mask_numbers]
        renderer = structlog.processors.JSONRenderer(serializer=_dump)
        text = structlog.processors.JSONRenderer(serializer=lambda event, **_: _dump(event).decode())
        factory = structlog.BytesLoggerFactory(sys.stdout.buffer)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    foreign = logging.StreamHandler(sys.stdout)
    foreign.setFormatter(structlog.stdlib.ProcessorFormatter(processor=text, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[foreign], level=max(least, logging.WARNING), force=True)
