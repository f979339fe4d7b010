"""What operators see: all is counted, sampled messages have spans below the submit's; no number or text in any."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.metrics import get_meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.unit.executor.test_settling import NOW, job

from executor.domain.delivery import Status, apply_status
from executor.domain.job import Job
from executor.domain.outcome import Rejected, Sent
from executor.domain.settling import RetryPolicy, Timing, settle
from executor.domain.words import DeliveryStatus, JobState
from executor.infrastructure.observation import Observation

TRACE = "0af7651916cd43dd8448eb211c80319c"
SUBMIT = "b7ad6b7169203331"


def traced(flags: str) -> Job:
    return replace(job(), traceparent=f"00-{TRACE}-{SUBMIT}-{flags}")


def observed() -> tuple[Observation, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Observation(meter=get_meter("test"), tracer=provider.get_tracer("test"), tracing=True), exporter


def test_one_trace_runs_from_submit_over_the_send_to_the_webhook() -> None:
    observation, exporter = observed()
    timing = Timing(began_at=NOW, ended_at=NOW + timedelta(milliseconds=40))
    sent = settle(traced("01"), Sent(provider_message_id="w"), timing=timing, policy=RetryPolicy(), chance=0.5)
    told = Status(
        key=sent.job.key,
        attempt_number=1,
        status=DeliveryStatus.DELIVERED,
        provider_message_id="w",
        provider_time=NOW,
        received_at=NOW,
    )
    moved = apply_status(
        replace(sent.job, state=JobState.SENT), sent.attempt, told, now=NOW, policy=RetryPolicy(), chance=0.5
    )
    observation.stored([sent, moved])  # type: ignore[list-item]
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["send fake", "status delivered"]
    for span in spans:
        assert f"{span.context.trace_id:032x}" == TRACE
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == SUBMIT
    assert (spans[0].end_time or 0) - (spans[0].start_time or 0) == 40_000_000


def test_an_unsampled_message_costs_no_span() -> None:
    observation, exporter = observed()
    timing = Timing(began_at=NOW, ended_at=NOW)
    for outcome in (Sent(provider_message_id="w"), Rejected(reason="RECIPIENT_NEVER")):
        observation.stored([settle(traced("00"), outcome, timing=timing, policy=RetryPolicy(), chance=0.5)])
    assert not exporter.get_finished_spans()


def test_a_batch_is_counted_once_for_each_set_of_labels() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("test")
    observation = Observation(meter=meter, tracer=TracerProvider().get_tracer("test"), tracing=False)
    timing = Timing(began_at=NOW, ended_at=NOW + timedelta(milliseconds=40))
    outcomes = (Sent(provider_message_id="w"), Rejected(reason="RECIPIENT_NEVER"), Sent(provider_message_id="v"))
    changes = [settle(job(), outcome, timing=timing, policy=RetryPolicy(), chance=0.5) for outcome in outcomes]
    observation.stored(changes)
    observation.stored(changes[:1])
    told = {metric.name: metric.data.data_points for metric in _metrics(reader)}
    sums = {name: {_labels(point): point.value for point in points} for name, points in told.items()}
    assert sums["whatlead.executor.facts"] == {"MESSAGE_SENT": 3, "MESSAGE_FAILED": 1}
    assert sums["whatlead.executor.attempts"] == {"SENT fake ": 3, "REJECTED fake RECIPIENT_NEVER": 1}
    assert sums["whatlead.executor.provider.seconds"] == pytest.approx({"fake SENT": 0.12, "fake REJECTED": 0.04})


def _metrics(reader: InMemoryMetricReader) -> Sequence[Metric]:
    data = reader.get_metrics_data()
    assert data is not None
    return data.resource_metrics[0].scope_metrics[0].metrics


def _labels(point: Any) -> str:
    return " ".join(point.attributes.values())
