"""What a provider's status does to its job. Knows no webhook; statuses come late, twice and out of order.

The highest of sent < failed < delivered < read stands. A status that proves an attempt was taken settles an unknown
outcome and a send whose answer has not been stored yet; it never brings back what is definitely over.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from executor.domain.change import Change, Delivery, Fact, Signal
from executor.domain.job import Attempt, Job, JobKey
from executor.domain.late import contradiction
from executor.domain.outcome import Rejected, Retryable
from executor.domain.settling import RetryPolicy, raised, wait_before_retry
from executor.domain.words import (
    PROVIDER,
    AttemptOutcome,
    DeliveryStatus,
    FactType,
    JobState,
    Resolution,
    SignalKind,
)

ANSWER_GRACE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One status of one attempt. `failure` is what the provider's code means, for FAILED only."""

    key: JobKey
    attempt_number: int
    status: DeliveryStatus
    provider_message_id: str
    provider_time: datetime
    received_at: datetime
    failure: Rejected | Retryable | None = None

    def __post_init__(self) -> None:
        if (self.status is DeliveryStatus.FAILED) != (self.failure is not None):
            raise ValueError("a failed status, and no other, has a failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The send's own answer is about to be stored: look again in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """It changes nothing: known already, or about nothing that is here."""

    known_attempt: bool = True


Verdict = Change | Wait | Nothing
_Before = Callable[[Attempt, Status], tuple[Fact, ...]]


def apply_status(
    job: Job, stored: Attempt | None, told: Status, *, now: datetime, policy: RetryPolicy, chance: float
) -> Verdict:
    """Return what `told` does to its job; `stored` is what is known of its attempt."""
    if not 1 <= told.attempt_number <= job.attempt:
        return Nothing(known_attempt=False)
    if stored is None:
        if job.state is not JobState.SENDING or told.attempt_number != job.attempt:
            return Nothing(known_attempt=False)
        if now - told.received_at < ANSWER_GRACE:
            return Wait()
        return _advance(job, _proven(_running(job, now), told), told, _sent_facts, policy, chance)
    current = told.attempt_number == job.attempt
    match stored.outcome:
        case AttemptOutcome.SENT:
            known = stored.delivery or DeliveryStatus.SENT
            if told.status.rank <= known.rank:
                return Nothing()
            attempt = replace(stored, delivery=told.status)
            if current and job.state in _TAKEN:
                return _advance(job, attempt, told, _no_facts, policy, chance)
            return _only_recorded(job, attempt)
        case AttemptOutcome.UNKNOWN:
            attempt = _proven(stored, told)
            if current and job.state in (JobState.UNKNOWN, JobState.READY):
                return _advance(job, attempt, told, _resolved_facts, policy, chance)
            return contradiction(job, attempt, f"{told.status} for a job that is {job.state}")
        case AttemptOutcome.REJECTED | AttemptOutcome.RETRYABLE | AttemptOutcome.ABORTED:
            if told.status is DeliveryStatus.FAILED or stored.contradiction:
                return Nothing()
            return contradiction(job, stored, told.status)
        case _:
            assert_never(stored.outcome)


_TAKEN = (JobState.SENT, JobState.FAILED, JobState.DELIVERED, JobState.READ)


def _advance(
    job: Job,
    attempt: Attempt,
    told: Status,
    before: _Before,
    policy: RetryPolicy,
    chance: float,
) -> Change:
    """Move the job to what the status says, after the facts that settle its attempt."""
    preceding = before(attempt, told)
    delivery = Delivery(
        attempt_number=attempt.number,
        provider_message_id=told.provider_message_id,
        provider_time=told.provider_time,
        provider_code="" if told.failure is None else told.failure.provider_code,
    )
    moved = Change(job=job, state=JobState(told.status), reason="", tries=job.tries, attempt=attempt)
    first = tuple(Signal(kind=SignalKind.SENT, at=told.received_at) for _ in preceding)
    match told.status:
        case DeliveryStatus.SENT:
            return replace(moved, facts=preceding, signals=first)
        case DeliveryStatus.DELIVERED:
            fact = Fact(type=FactType.DELIVERED, at=told.received_at, actor=PROVIDER, detail=delivery)
            signal = Signal(kind=SignalKind.DELIVERED, at=told.received_at)
        case DeliveryStatus.READ:
            fact = Fact(type=FactType.READ, at=told.received_at, actor=PROVIDER, detail=delivery)
            signal = Signal(kind=SignalKind.READ, at=told.received_at)
        case DeliveryStatus.FAILED:
            return _failed_after_sending(moved, told, delivery, preceding, first, policy, chance)
        case _:
            assert_never(told.status)
    return replace(moved, facts=(*preceding, fact), signals=(*first, signal))


def _failed_after_sending(
    moved: Change,
    told: Status,
    delivery: Delivery,
    preceding: tuple[Fact, ...],
    first: tuple[Signal, ...],
    policy: RetryPolicy,
    chance: float,
) -> Change:
    job, attempt, failure = moved.job, moved.attempt, told.failure
    if failure is None or attempt is None:
        raise ValueError("a failed status has a failure and an attempt")
    signals = (
        *first,
        *raised(failure.signal, told.received_at, replace(attempt, provider_code=delivery.provider_code)),
    )
    if isinstance(failure, Retryable) and job.tries < policy.attempts:
        wait = wait_before_retry(
            backoff=failure.backoff, tries=job.tries, retry_after=failure.retry_after, chance=chance
        )
        again = replace(attempt, reason=failure.reason, provider_code=failure.provider_code)
        fact = Fact(
            type=FactType.RETRY_SCHEDULED, at=told.received_at, reason=failure.reason, actor=PROVIDER, detail=again
        )
        return replace(
            moved,
            state=JobState.READY,
            reason=failure.reason,
            retry_in=wait,
            attempt=again,
            facts=(*preceding, fact),
            signals=signals,
        )
    fact = Fact(type=FactType.FAILED, at=told.received_at, reason=failure.reason, actor=PROVIDER, detail=delivery)
    told_gate = Signal(kind=SignalKind.FAILED, at=told.received_at, code=failure.reason, about_intent=True)
    ended = replace(attempt, reason=failure.reason, provider_code=failure.provider_code)
    return replace(moved, reason=failure.reason, attempt=ended, facts=(*preceding, fact), signals=(*signals, told_gate))


def _no_facts(_: Attempt, __: Status) -> tuple[Fact, ...]:
    return ()


def _sent_facts(attempt: Attempt, told: Status) -> tuple[Fact, ...]:
    return (Fact(type=FactType.SENT, at=told.received_at, actor=PROVIDER, detail=attempt),)


def _resolved_facts(attempt: Attempt, told: Status) -> tuple[Fact, ...]:
    detail = Delivery(
        attempt_number=attempt.number,
        provider_message_id=told.provider_message_id,
        provider_time=told.provider_time,
        resolution=Resolution.SENT,
    )
    return (Fact(type=FactType.OUTCOME_RESOLVED, at=told.received_at, actor=PROVIDER, detail=detail),)


def _running(job: Job, now: datetime) -> Attempt:
    return Attempt(
        number=job.attempt,
        taken_at=job.taken_at or now,
        ended_at=now,
        outcome=AttemptOutcome.SENT,
        control_version=job.control_version,
        platform_version=job.platform_version,
    )


def _proven(attempt: Attempt, told: Status) -> Attempt:
    return replace(
        attempt,
        outcome=AttemptOutcome.SENT,
        reason="",
        provider_message_id=told.provider_message_id,
        delivery=told.status,
    )


def _only_recorded(job: Job, attempt: Attempt) -> Change:
    return Change(job=job, state=job.state, reason=job.reason, tries=job.tries, held_by=job.held_by, attempt=attempt)
