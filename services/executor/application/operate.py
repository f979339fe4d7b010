"""What operators and the gate ask of jobs: cancel, try again, settle. Knows not who may ask."""

from collections.abc import Sequence
from uuid import UUID

from executor.application.ports import Begin
from executor.application.ports_operations import Operating, Request
from executor.domain.job import JobKey
from executor.domain.operation import cancel, resolve, retry
from executor.domain.words import CancelOutcome, JobState, Resolution
from kernel.clock import Clock
from kernel.errors import Failure, Kind, not_found

_MOST = 1_000


async def cancel_jobs(
    intent_ids: Sequence[UUID],
    *,
    request: Request,
    validate_only: bool,
    begin: Begin[Operating],
    clock: Clock,
) -> dict[UUID, CancelOutcome]:
    """Cancel jobs that have not begun; those that are not here are canceled when they arrive.

    A job that went back to the gate counts as not here: the gate may be handing it over again at this moment.
    """
    keys = [JobKey(request.organization_id, intent_id) for intent_id in intent_ids]
    async with begin() as tx:
        if not validate_only:
            if (answer := await tx.claim(request)) is not None:
                return dict(zip(intent_ids, map(CancelOutcome, answer), strict=True))
            await tx.hold_arrivals()
        jobs = {job.key: job for job, _ in await tx.lock(keys)}
        outcomes: dict[UUID, CancelOutcome] = {}
        changes, absent = [], []
        at = clock.now()
        for key in keys:
            job = jobs.get(key)
            if job is None or job.state is JobState.RETURNED:
                absent.append(key)
                outcomes[key.intent_id] = CancelOutcome.CANCELED
            elif (change := cancel(job, reason=request.reason, actor=request.actor, at=at)) is not None:
                changes.append(change)
                outcomes[key.intent_id] = CancelOutcome.CANCELED
            else:
                canceled = job.state is JobState.CANCELED
                outcomes[key.intent_id] = CancelOutcome.CANCELED if canceled else CancelOutcome.TOO_LATE
        if not validate_only:
            await tx.apply(changes)
            if absent:
                await tx.bury(absent, reason=request.reason, actor=request.actor)
            await tx.remember(request, [outcomes[intent_id] for intent_id in intent_ids])
    return outcomes


async def retry_jobs(
    intent_ids: Sequence[UUID], *, campaign_id: str, request: Request, begin: Begin[Operating], clock: Clock
) -> list[UUID]:
    """Give DEAD and FAILED jobs back to the gate, by id or, without ids, the DEAD ones of a campaign."""
    organization_id = request.organization_id
    async with begin() as tx:
        if (answer := await tx.claim(request)) is not None:
            return [UUID(intent_id) for intent_id in answer]
        if intent_ids:
            keys: Sequence[JobKey] = [JobKey(organization_id, intent_id) for intent_id in intent_ids]
        else:
            keys = await tx.dead_jobs(organization_id, campaign_id, jobs=_MOST)
        at = clock.now()
        found = [retry(job, reason=request.reason, actor=request.actor, at=at) for job, _ in await tx.lock(keys)]
        changes = [change for change in found if change is not None]
        await tx.apply(changes)
        returned = [change.job.intent_id for change in changes]
        await tx.remember(request, [str(intent_id) for intent_id in returned])
    return returned


async def resolve_outcome(
    intent_id: UUID, *, resolution: Resolution, request: Request, begin: Begin[Operating], clock: Clock
) -> None:
    """Settle an unknown outcome. Raises Failure NOT_FOUND, or FAILED_PRECONDITION if it is not unknown."""
    async with begin() as tx:
        if await tx.claim(request) is not None:
            return
        found = await tx.lock([JobKey(request.organization_id, intent_id)])
        if not found:
            raise not_found("job")
        job, attempts = found[0]
        stored = next((attempt for attempt in attempts if attempt.number == job.attempt), None)
        change = None
        if stored is not None:
            change = resolve(
                job,
                stored,
                resolution=resolution,
                reason=request.reason,
                actor=request.actor,
                at=clock.now(),
            )
        if change is None:
            message = f"the job is {job.state}: only an UNKNOWN outcome can be settled"
            raise Failure(Kind.FAILED_PRECONDITION, "WRONG_STATE", message)
        await tx.apply([change])
        await tx.remember(request, [])
