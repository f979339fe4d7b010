"""Take over approved intents, a whole batch at once. Knows not why they were approved."""

from collections.abc import Sequence

from executor.application.ports import Accepting, Begin
from executor.application.signals import Wake
from executor.domain.job import Lane, NewJob
from kernel.clock import Clock


async def accept_jobs(
    lanes: Sequence[Lane],
    jobs: Sequence[NewJob],
    *,
    begin: Begin[Accepting],
    wakes: Sequence[Wake],
    clock: Clock,
) -> int:
    """Keep lanes and jobs and wake those who send them; return how many jobs were news.

    Idempotent by (intent id, decision number). Where a batch names an intent twice, the higher decision counts.
    """
    newest: dict[object, NewJob] = {}
    for job in jobs:
        known = newest.get((job.organization_id, job.intent_id))
        if known is None or known.decision_number < job.decision_number:
            newest[(job.organization_id, job.intent_id)] = job
    async with begin() as tx:
        if lanes:
            await tx.keep_lanes(lanes)
        taken = await tx.insert(list(newest.values()), at=clock.now()) if newest else 0
    if taken or lanes:
        for wake in wakes:
            wake.ring()
    return taken
