"""What operators see of sends: metrics always, a log line for what is no plain success, spans for sampled messages.

Knows no decision; it is told of changes once they are stored. No recipient, content or token reaches it.
"""

from collections import Counter, defaultdict
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
        self._seconds = meter.create_counter(
            "whatlead.executor.provider.seconds", unit="s", description="From the first byte to the answer, summed."
        )
        self._contradictions = meter.create_counter(
            "whatlead.executor.contradictions", description="Answers that contradict a definite one."
        )
        self._dropped = meter.create_counter(
            "whatlead.executor.webhooks.dropped", description="Statuses of attempts that are not known here."
        )

    def stored(self, changes: Sequence[Change]) -> None:
        """Take note of changes that are committed; recorded once a batch, for one recording costs as much as a send."""
        moves: Counter[FactType] = Counter()
        attempts: Counter[tuple[str, str, str]] = Counter()
        seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        for change in changes:
            if change.contradicts:
                self._contradictions.add(1)
            provider = change.job.provider
            for fact in change.facts:
                moves[fact.type] += 1
                self._fact(change.job, fact)
                if isinstance(attempt := fact.detail, Attempt) and fact.type in _ATTEMPTS:
                    attempts[attempt.outcome, provider, fact.reason] += 1
                    if attempt.began_at is not None and attempt.ended_at is not None:
                        seconds[provider, attempt.outcome] += (attempt.ended_at - attempt.began_at).total_seconds()
        for type_, count in moves.items():
            self._moves.add(count, {"type": type_})
        for (outcome, provider, reason), count in attempts.items():
            self._attempts.add(count, {"outcome": outcome, "provider": provider, "reason": reason})
        for (provider, outcome), total in seconds.items():
            self._seconds.add(max(total, 0.0), {"provider": provider, "outcome": outcome})

    def dropped(self, statuses: int) -> None:
        """Count statuses about nothing that is here."""
        self._dropped.add(statuses)

    def _fact(self, job: Job, fact: Fact) -> None:
        sampled = self._tracing and _is_sampled(job.traceparent)
        if isinstance(fact.detail, Attempt) and fact.type in _ATTEMPTS:
            if fact.type is not FactType.SENT:
                _log_attempt(job, fact, fact.detail)
            if sampled:
                self._send_span(job, fact.detail)
        elif sampled and fact.type in _DELIVERIES:
            self._span(job, f"status {fact.type.removeprefix('MESSAGE_').lower()}", fact.at, fact.at)

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


def _log_attempt(job: Job, fact: Fact, attempt: Attempt) -> None:
    log.info(
        "executor.attempt",
        intent_id=str(job.intent_id),
        attempt=attempt.number,
        outcome=attempt.outcome,
        reason=fact.reason,
        code=attempt.provider_code,
        instance_id=job.instance_id,
        message_trace_id=job.traceparent[3:35],
    )


def _is_sampled(traceparent: str) -> bool:
    """Read the flags, the last field of a W3C traceparent; others than the sampled one may be set too."""
    return bool(traceparent) and bool(int(traceparent[-2:], 16) & _SAMPLED)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
