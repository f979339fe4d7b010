"""Take over approved intents, a whole batch at once. Knows not why they were approved."""

from collections.abc import Sequence

from executor.application.ports_operations import Arrivals
from executor.application.signals import Wake
from executor.application.upkeep import LONGEST_SLEEP
from executor.domain.job import Lane, NewJob
from kernel.clock import Clock


async def accept_jobs(
    lanes: Sequence[Lane],
    jobs: Sequence[NewJob],
    *,
    arrivals: Arrivals,
    dispatch: Wake,
    upkeep: Wake,
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
    now = clock.now()
    news = await arrivals.keep_lanes(lanes)  # first: a job without its lane is never taken
    taken = await arrivals.insert(list(newest.values()), at=now) if newest else 0
    if taken or news:
        dispatch.ring()
    if any(min(job.approved_until, job.expire_time) < now + LONGEST_SLEEP for job in newest.values()):
        upkeep.ring()
    return taken
