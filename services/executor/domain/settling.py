"""What an outcome does to its job. Knows no provider, store or clock; chance is a parameter."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from executor.domain.change import Change, Fact, Signal
from executor.domain.job import Attempt, Job
from executor.domain.outcome import DEFAULT_BACKOFF, Backoff, Outcome, Rejected, Retryable, Sent, Unknown
from executor.domain.words import EXECUTOR, AttemptOutcome, FactType, JobState, Reason, SignalKind
from kernel.values import value

LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often to try. The waits between are the outcome's."""

    attempts: int = 5
    unknown: Backoff = DEFAULT_BACKOFF

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("there is at least one attempt")


@value
class Timing:
    """When the request began to leave, if it did, and when its outcome was known."""

    began_at: datetime | None
    ended_at: datetime


def wait_before_retry(*, backoff: Backoff, tries: int, retry_after: float | None, chance: float) -> float:
    """Return seconds: exponential with full jitter (`chance` in [0, 1)), never before the provider's own wish."""
    ceiling = min(backoff.cap, backoff.first * backoff.factor ** min(tries - 1, 64))
    jittered = ceiling * chance
    if retry_after is None:
        return jittered
    wished = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
    return min(wished + min(backoff.first, wished) * chance, LONGEST_RETRY_AFTER)


def settle(job: Job, outcome: Outcome, *, timing: Timing, policy: RetryPolicy, chance: float) -> Change:
    """Return what the outcome of the running attempt does to its job."""
    match outcome:
        case Sent():
            attempt = _attempt(job, AttemptOutcome.SENT, timing, message_id=outcome.provider_message_id)
            fact = Fact(type=FactType.SENT, at=timing.ended_at, actor=EXECUTOR, detail=attempt)
            signal = Signal(kind=SignalKind.SENT, at=timing.ended_at)
            return Change(
                job=job,
                state=JobState.SENT,
                reason="",
                tries=job.tries,
                attempt=attempt,
                facts=(fact,),
                signals=(signal,),
            )
        case Retryable():
            return _retry(job, outcome, timing=timing, policy=policy, chance=chance)
        case Rejected():
            attempt = _attempt(job, AttemptOutcome.REJECTED, timing, outcome.reason, outcome.provider_code)
            return failed(job, attempt, reason=outcome.reason, signal=outcome.signal)
        case Unknown():
            return _unknown(job, outcome, timing=timing, policy=policy, chance=chance)
        case _:
            assert_never(outcome)


def abort(job: Job, *, reason: Reason, at: datetime) -> Change:
    """Put a job back whose send never began: not one byte left, and the attempt does not count."""
    attempt = _attempt(job, AttemptOutcome.ABORTED, Timing(began_at=None, ended_at=at), reason)
    return Change(
        job=job,
        state=JobState.READY,
        reason=reason,
        tries=max(0, job.tries - 1),
        retry_in=0.0,
        attempt=attempt,
        facts=(Fact(type=FactType.SEND_ABORTED, at=at, reason=reason, actor=EXECUTOR, detail=attempt),),
    )


def failed(job: Job, attempt: Attempt, *, reason: str, signal: SignalKind | None) -> Change:
    """End a job for good: refused, or its attempts used up."""
    at = attempt.ended_at or attempt.taken_at
    exhausted = attempt.outcome is AttemptOutcome.RETRYABLE
    return Change(
        job=job,
        state=JobState.DEAD if exhausted else JobState.FAILED,
        reason=Reason.ATTEMPTS_EXHAUSTED if exhausted else reason,
        tries=job.tries,
        attempt=attempt,
        facts=(
            Fact(
                type=FactType.FAILED,
                at=at,
                reason=Reason.ATTEMPTS_EXHAUSTED if exhausted else reason,
                actor=EXECUTOR,
                detail=attempt,
            ),
        ),
        signals=(Signal(kind=SignalKind.FAILED, at=at, code=reason, about_intent=True), *raised(signal, at, attempt)),
    )


def raised(signal: SignalKind | None, at: datetime, attempt: Attempt) -> tuple[Signal, ...]:
    """Return what the provider's code says about instance or recipient beyond this message."""
    if signal is None:
        return ()
    about_intent = signal is SignalKind.OPTED_OUT
    return (Signal(kind=signal, at=at, code=attempt.provider_code, about_intent=about_intent),)


def _retry(job: Job, outcome: Retryable, *, timing: Timing, policy: RetryPolicy, chance: float) -> Change:
    attempt = _attempt(job, AttemptOutcome.RETRYABLE, timing, outcome.reason, outcome.provider_code)
    if job.tries >= policy.attempts:
        return failed(job, attempt, reason=outcome.reason, signal=outcome.signal)
    return Change(
        job=job,
        state=JobState.READY,
        reason=outcome.reason,
        tries=job.tries,
        retry_in=wait_before_retry(
            backoff=outcome.backoff, tries=job.tries, retry_after=outcome.retry_after, chance=chance
        ),
        attempt=attempt,
        facts=(
            Fact(
                type=FactType.RETRY_SCHEDULED,
                at=timing.ended_at,
                reason=outcome.reason,
                actor=EXECUTOR,
                detail=attempt,
            ),
        ),
        signals=raised(outcome.signal, timing.ended_at, attempt),
    )


def _unknown(job: Job, outcome: Unknown, *, timing: Timing, policy: RetryPolicy, chance: float) -> Change:
    attempt = _attempt(job, AttemptOutcome.UNKNOWN, timing, outcome.reason)
    told = Fact(
        type=FactType.OUTCOME_UNKNOWN, at=timing.ended_at, reason=outcome.reason, actor=EXECUTOR, detail=attempt
    )
    parked = Change(
        job=job,
        state=JobState.UNKNOWN,
        reason=outcome.reason,
        tries=job.tries,
        attempt=attempt,
        facts=(told,),
    )
    if not job.retry_unknown or job.tries >= policy.attempts:
        return parked
    again = Fact(
        type=FactType.RETRY_SCHEDULED, at=timing.ended_at, reason=outcome.reason, actor=EXECUTOR, detail=attempt
    )
    wait = wait_before_retry(backoff=policy.unknown, tries=job.tries, retry_after=None, chance=chance)
    return replace(parked, state=JobState.READY, retry_in=wait, facts=(told, again))


def _attempt(
    job: Job, outcome: AttemptOutcome, timing: Timing, reason: str = "", code: str = "", message_id: str = ""
) -> Attempt:
    return Attempt(
        number=job.attempt,
        taken_at=job.taken_at or timing.ended_at,
        outcome=outcome,
        reason=reason,
        began_at=timing.began_at,
        ended_at=timing.ended_at,
        provider_code=code,
        provider_message_id=message_id,
        control_version=job.control_version,
        platform_version=job.platform_version,
    )
