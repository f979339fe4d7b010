"""Rows to jobs and attempts, by position: the order is that of the statements under queries/."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from executor.domain.job import Attempt, Job, TakenJob
from executor.domain.words import AttemptOutcome, DeliveryStatus, JobState
from executor.infrastructure.content import decode


def job_of(row: Sequence[Any]) -> Job:
    """Read the columns that the lock_… statements share."""
    return Job(
        organization_id=row[0],
        intent_id=row[1],
        decision_number=row[2],
        instance_id=row[3],
        campaign_id=row[4],
        provider=row[5],
        state=JobState(row[6]),
        reason=row[7],
        next_attempt_at=row[8],
        held_by=tuple(row[9] or ()),
        submitted_at=row[10],
        approved_at=row[11],
        approved_until=row[12],
        expire_time=row[13],
        retry_unknown=row[14],
        traceparent=row[15],
        attempt=row[16],
        tries=row[17],
        lease_token=row[18],
        taken_at=row[19],
        control_version=row[20],
        platform_version=row[21],
        created_at=row[22],
        forgotten=row[23],
    )


def attempt_of(row: Sequence[Any]) -> Attempt:
    """Read a row of list_attempts, without the key of its job."""
    return Attempt(
        number=row[2],
        taken_at=row[3],
        began_at=row[4],
        ended_at=row[5],
        outcome=AttemptOutcome(row[6]),
        reason=row[7],
        provider_code=row[8],
        provider_message_id=row[9],
        control_version=row[10],
        platform_version=row[11],
        delivery=None if row[12] is None else DeliveryStatus(row[12]),
        contradiction=row[13],
    )


def taken_of(row: Sequence[Any], *, token: UUID, platform_version: int, override: str | None) -> tuple[TakenJob, int]:
    """Read a row of take_jobs; the second value is the number of the fact that the send started."""
    job = Job(
        organization_id=row[0],
        intent_id=row[1],
        instance_id=row[2],
        campaign_id=row[3],
        decision_number=row[4],
        attempt=row[5],
        tries=row[6],
        taken_at=row[8],
        control_version=row[9],
        submitted_at=row[10],
        approved_at=row[11],
        approved_until=row[12],
        expire_time=row[13],
        created_at=row[14],
        retry_unknown=row[15],
        traceparent=row[16],
        provider=override or row[19],
        state=JobState.SENDING,
        reason="",
        next_attempt_at=None,
        held_by=(),
        lease_token=token,
        platform_version=platform_version,
    )
    taken = TakenJob(job=job, recipient=row[17], content=decode(row[18]), provider_account=row[20], slot_in=row[21])
    return taken, row[7]
