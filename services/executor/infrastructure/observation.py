"""What operators see of sends: metrics always, a log line for what is no plain success, spans for sampled messages.

Knows no decision; it is told of changes once they are stored. No recipient, content or token reaches it.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from chassis.telemetry import context_from
from executor.domain.change import Change, Fact
from executor.domain.job import Attempt, Job
from executor.domain.words import AttemptOutcome, FactType

_SAMPLED = 0x01
_DELIVERIES = (FactType.DELIVERED, FactType.READ)
_ATTEMPTS = (
    FactType.SENT,
    FactType.FAILED,
    FactType.RETRY_SCHEDULED,
    FactType.SEND_ABORTED,
    FactType.OUTCOME_UNKNOWN,
)

log = structlog.get_logger("executor")


class Observation:
    """Counts, logs and traces stored changes."""

    def __init__(self, *, meter: Meter, tracer: Tracer, tracing: bool) -> None:
        self._tracer = tracer
        self._tracing = tracing
        self._attempts = meter.create_counter("whatlead.executor.attempts", description="Attempts by outcome.")
        self._moves = meter.create_counter("whatlead.executor.facts", description="Entries of the timeline by type.")
        self._seconds = meter.create_histogram(
            "whatlead.executor.provider.duration", unit="s", description="From the first byte to the answer."
        )
        self._contradictions = meter.create_counter(
            "whatlead.executor.contradictions", description="Answers that contradict a definite one."
        )
        self._dropped = meter.create_counter(
            "whatlead.executor.webhooks.dropped", description="Statuses of attempts that are not known here."
        )

    def stored(self, changes: Sequence[Change]) -> None:
        """Take note of changes that are committed."""
        for change in changes:
            if change.contradicts:
                self._contradictions.add(1)
            for fact in change.facts:
                self._moves.add(1, {"type": fact.type})
                self._fact(change.job, fact)

    def dropped(self, statuses: int) -> None:
        """Count statuses about nothing that is here."""
        self._dropped.add(statuses)

    def _fact(self, job: Job, fact: Fact) -> None:
        sampled = self._tracing and _is_sampled(job.traceparent)
        if isinstance(fact.detail, Attempt) and fact.type in _ATTEMPTS:
            self._attempt(job, fact, fact.detail)
            if sampled:
                self._send_span(job, fact.detail)
        elif sampled and fact.type in _DELIVERIES:
            self._span(job, f"status {fact.type.removeprefix('MESSAGE_').lower()}", fact.at, fact.at)

    def _attempt(self, job: Job, fact: Fact, attempt: Attempt) -> None:
        labels = {"outcome": attempt.outcome, "provider": job.provider, "reason": fact.reason}
        self._attempts.add(1, labels)
        if attempt.began_at is not None and attempt.ended_at is not None:
            seconds = (attempt.ended_at - attempt.began_at).total_seconds()
            self._seconds.record(seconds, {"provider": job.provider, "outcome": attempt.outcome})
        told = log.debug if attempt.outcome is AttemptOutcome.SENT else log.info
        told(
            "executor.attempt",
            intent_id=str(job.intent_id),
            attempt=attempt.number,
            outcome=attempt.outcome,
            reason=fact.reason,
            code=attempt.provider_code,
            instance_id=job.instance_id,
            message_trace_id=job.traceparent[3:35],
        )

    def _send_span(self, job: Job, attempt: Attempt) -> None:
        end = attempt.ended_at or attempt.taken_at
        self._span(job, f"send {job.provider}", attempt.began_at or end, end, attempt)

    def _span(self, job: Job, name: str, start: datetime, end: datetime, attempt: Attempt | None = None) -> None:
        """Record a span after the fact, as a child of the submit's."""
        span = self._tracer.start_span(
            name,
            context=context_from(job.traceparent),
            kind=SpanKind.CLIENT if attempt is not None else SpanKind.CONSUMER,
            start_time=_nanoseconds(start),
            attributes={
                "messaging.system": job.provider,
                "messaging.operation.type": "send" if attempt is not None else "settle",
                "messaging.message.id": str(job.intent_id),
                "whatlead.instance_id": job.instance_id,
                "whatlead.campaign_id": job.campaign_id,
            },
        )
        if attempt is not None:
            span.set_attribute("whatlead.attempt", attempt.number)
            span.set_attribute("whatlead.outcome", attempt.outcome)
            if attempt.outcome is not AttemptOutcome.SENT:
                span.set_status(Status(StatusCode.ERROR, attempt.reason))
        span.end(_nanoseconds(end))


def _is_sampled(traceparent: str) -> bool:
    """Read the flags, the last field of a W3C traceparent; others than the sampled one may be set too."""
    return bool(traceparent) and bool(int(traceparent[-2:], 16) & _SAMPLED)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
