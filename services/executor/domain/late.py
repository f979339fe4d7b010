"""What an outcome does that comes after its job has moved on: by a lapsed lease, a webhook, or a commit heard twice.

A definite answer wins over none; one that contradicts a definite answer is recorded, never acted on.
"""

from dataclasses import replace
from typing import assert_never

from executor.domain.change import Change, Delivery, Fact
from executor.domain.job import Attempt, Job
from executor.domain.words import EXECUTOR, AttemptOutcome, FactType, JobState, Resolution

_NO_FACTS: tuple[Fact, ...] = ()


def merge_late(job: Job, stored: Attempt | None, refused: Change) -> Change | None:
    """Return what `refused`, the settlement of an attempt that the store did not take, still changes; None: nothing.

    `stored` is what is known of that attempt by now.
    """
    late = refused.attempt
    if late is None or stored is None or stored.outcome is late.outcome or late.outcome is AttemptOutcome.UNKNOWN:
        return _completed(job, stored, late)
    if stored.outcome is not AttemptOutcome.UNKNOWN:
        return contradiction(job, stored, f"{late.outcome} {late.reason}".strip())
    if job.attempt != late.number or job.state not in (JobState.UNKNOWN, JobState.READY):
        return _recorded(job, stored, late)
    return _resolved(job, late, refused)


def contradiction(job: Job, stored: Attempt, said: str) -> Change:
    """Record on the attempt that somebody says the opposite of what is known."""
    return Change(
        job=job,
        state=job.state,
        reason=job.reason,
        tries=job.tries,
        held_by=job.held_by,
        attempt=replace(stored, contradiction=f"was {stored.outcome}, then told {said}"),
    )


def _completed(job: Job, stored: Attempt | None, late: Attempt | None) -> Change | None:
    """Fill in what a webhook could not know: when the request began."""
    if stored is None or late is None or stored.outcome is not late.outcome or stored.began_at is not None:
        return None
    if late.began_at is None:
        return None
    return Change(
        job=job,
        state=job.state,
        reason=job.reason,
        tries=job.tries,
        held_by=job.held_by,
        attempt=replace(stored, began_at=late.began_at, ended_at=late.ended_at),
    )


def _recorded(job: Job, stored: Attempt, late: Attempt) -> Change:
    if late.outcome is AttemptOutcome.SENT:
        return contradiction(job, replace(stored, provider_message_id=late.provider_message_id), late.outcome)
    return Change(
        job=job,
        state=job.state,
        reason=job.reason,
        tries=job.tries,
        held_by=job.held_by,
        attempt=late,
    )


def _resolved(job: Job, late: Attempt, refused: Change) -> Change:
    """Settle an unknown outcome by the answer that came after all."""
    match late.outcome:
        case AttemptOutcome.SENT:
            resolution, following = Resolution.SENT, _NO_FACTS
        case AttemptOutcome.REJECTED | AttemptOutcome.RETRYABLE | AttemptOutcome.ABORTED:
            resolution, following = Resolution.NOT_SENT, refused.facts
        case AttemptOutcome.UNKNOWN:
            raise ValueError("an unknown outcome settles nothing")
        case _:
            assert_never(late.outcome)
    fact = Fact(
        type=FactType.OUTCOME_RESOLVED,
        at=late.ended_at or late.taken_at,
        reason=late.reason,
        actor=EXECUTOR,
        detail=Delivery(
            attempt_number=late.number,
            provider_message_id=late.provider_message_id,
            provider_code=late.provider_code,
            resolution=resolution,
        ),
    )
    return replace(refused, job=job, facts=(fact, *following))
