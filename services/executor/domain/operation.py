"""What operators, the gate and time do to a job. Knows no caller's rights and no store."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from executor.domain.change import Change, Delivery, Fact, Hold, Note, Signal
from executor.domain.job import Attempt, Job
from executor.domain.words import (
    EXECUTOR,
    AttemptOutcome,
    FactType,
    JobState,
    Reason,
    Resolution,
    SignalKind,
)

HOLD_RECHECK = timedelta(seconds=60)


def hold(
    job: Job, *, control_ids: tuple[UUID, ...], pause_reason: str, paused_until: datetime | None, at: datetime
) -> Change:
    """Keep a due job that met a pause. It costs no attempt; a pause it has met before adds no fact."""
    held = Change(
        job=job,
        state=JobState.READY,
        reason=Reason.OPS_PAUSED,
        tries=job.tries,
        retry_in=HOLD_RECHECK.total_seconds(),
        retry_by=paused_until,
        held_by=control_ids,
    )
    if set(control_ids) <= set(job.held_by):
        return held
    detail = Hold(control_ids=control_ids, pause_reason=pause_reason, paused_until=paused_until)
    fact = Fact(type=FactType.HELD, at=at, reason=Reason.OPS_PAUSED, actor=EXECUTOR, detail=detail)
    return replace(held, facts=(fact,))


def lapse(job: Job, *, at: datetime) -> Change:
    """End a waiting job whose expire time passed; give one back to the gate whose approval ran out."""
    if job.expire_time <= at:
        fact = Fact(type=FactType.EXPIRED, at=at, reason=Reason.EXPIRED, detail=Note())
        return Change(job=job, state=JobState.EXPIRED, reason=Reason.EXPIRED, tries=job.tries, facts=(fact,))
    return _given_back(job, reason=Reason.APPROVAL_EXPIRED, at=at)


def cancel(job: Job, *, reason: str, actor: str, at: datetime) -> Change | None:
    """Cancel a job that has not begun; None: too late."""
    if job.state is not JobState.READY:
        return None
    fact = Fact(type=FactType.CANCELED, at=at, reason=Reason.CANCELED, actor=actor, detail=Note(note=reason))
    return Change(job=job, state=JobState.CANCELED, reason=Reason.CANCELED, tries=job.tries, facts=(fact,))


def retry(job: Job, *, reason: str, actor: str, at: datetime) -> Change | None:
    """Give a job that failed back to the gate, which decides anew; None: it is in another state."""
    if job.state not in (JobState.DEAD, JobState.FAILED):
        return None
    asked = Fact(
        type=FactType.RETRY_REQUESTED, at=at, reason=Reason.RETRY_REQUESTED, actor=actor, detail=Note(note=reason)
    )
    back = _given_back(job, reason=Reason.RETRY_REQUESTED, at=at)
    return replace(back, facts=(asked, *back.facts))


def resolve(
    job: Job, attempt: Attempt, *, resolution: Resolution, reason: str, actor: str, at: datetime
) -> Change | None:
    """Settle an unknown outcome by what an operator found out; None: its outcome is not unknown."""
    if job.state is not JobState.UNKNOWN:
        return None
    fact = Fact(
        type=FactType.OUTCOME_RESOLVED,
        at=at,
        actor=actor,
        detail=Delivery(attempt_number=attempt.number, resolution=resolution, note=reason),
    )
    match resolution:
        case Resolution.SENT:
            known = replace(attempt, outcome=AttemptOutcome.SENT, reason="")
            return Change(
                job=job,
                state=JobState.SENT,
                reason="",
                tries=job.tries,
                attempt=known,
                facts=(fact,),
                signals=(Signal(kind=SignalKind.SENT, at=at),),
            )
        case Resolution.NOT_SENT:
            known = replace(attempt, outcome=AttemptOutcome.REJECTED, reason=Reason.NOT_SENT)
            return Change(
                job=job,
                state=JobState.FAILED,
                reason=Reason.NOT_SENT,
                tries=job.tries,
                attempt=known,
                facts=(fact,),
            )
        case Resolution.RESEND:
            known = replace(attempt, outcome=AttemptOutcome.RETRYABLE, reason=Reason.RESEND)
            back = _given_back(job, reason=Reason.RESEND, at=at)
            return replace(back, attempt=known, facts=(fact, *back.facts))
        case _:
            assert_never(resolution)


def _given_back(job: Job, *, reason: Reason, at: datetime) -> Change:
    fact = Fact(type=FactType.RETURNED, at=at, reason=reason, actor=EXECUTOR, detail=Note())
    return Change(job=job, state=JobState.RETURNED, reason=reason, tries=job.tries, facts=(fact,), returned=reason)
