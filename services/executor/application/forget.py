"""Forget whom jobs were for and what they said. What has not begun is canceled, what is being sent is left to end."""

from collections.abc import Sequence
from uuid import UUID

from executor.application.ports import Begin
from executor.application.ports_operations import Operating
from executor.domain.job import JobKey
from executor.domain.operation import cancel
from executor.domain.words import EraseOutcome, JobState
from kernel.clock import Clock

_REASON = "the person was erased"


async def erase_jobs(
    organization_id: str, intent_ids: Sequence[UUID], *, actor: str, begin: Begin[Operating], clock: Clock
) -> list[EraseOutcome]:
    """Return what became of each, in order. What is not here, or back with the gate, is canceled when it arrives."""
    keys = [JobKey(organization_id, intent_id) for intent_id in intent_ids]
    async with begin() as tx:
        await tx.hold_arrivals()
        jobs = {job.key: job for job, _ in await tx.lock(keys)}
        outcomes, changes, absent = [], [], []
        at = clock.now()
        for key in keys:
            job = jobs.get(key)
            if job is None or job.state is JobState.RETURNED:
                absent.append(key)
                outcomes.append(EraseOutcome.CANCELED)
            elif (change := cancel(job, reason=_REASON, actor=actor, at=at)) is not None:
                changes.append(change)
                outcomes.append(EraseOutcome.CANCELED)
            elif job.state is JobState.SENDING:
                outcomes.append(EraseOutcome.SENDING)
            else:
                canceled = job.state is JobState.CANCELED
                outcomes.append(EraseOutcome.CANCELED if canceled else EraseOutcome.ERASED)
        await tx.apply(changes)
        if absent:
            await tx.bury(absent, reason=_REASON, actor=actor)
        await tx.forget([key for key, outcome in zip(keys, outcomes, strict=True) if outcome != EraseOutcome.SENDING])
    return outcomes
