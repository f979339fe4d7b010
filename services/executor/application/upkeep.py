"""What time does to jobs: leases lapse, approvals run out, lives end, backlogs are measured. Knows no provider.

A SENDING job whose lease has lapsed becomes UNKNOWN, never READY: it may have left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from executor.application.ports import Begin, Upkeep
from executor.application.signals import Wake
from executor.domain.operation import lapse
from executor.domain.outcome import Unknown
from executor.domain.settling import RetryPolicy, Timing, settle
from executor.domain.words import Reason
from kernel.clock import Clock
from kernel.errors import Failure

_LEASES = 50
_JOBS = 500
LONGEST_SLEEP = timedelta(seconds=2)
_SHORTEST_SLEEP = 0.01

log = structlog.get_logger("executor")


async def rescue_abandoned(
    *, begin: Begin[Upkeep], policy: RetryPolicy, clock: Clock, chance: Callable[[], float]
) -> int:
    """Settle as UNKNOWN what was SENDING under lapsed leases; return how many leases there were."""
    async with begin() as tx:
        tokens = await tx.lapsed_leases(leases=_LEASES)
        if not tokens:
            return 0
        jobs = await tx.lock_leased(tokens)
        timing = Timing(began_at=None, ended_at=clock.now())
        outcome = Unknown(reason=Reason.LEASE_LAPSED)
        changes = [settle(job, outcome, timing=timing, policy=policy, chance=chance()) for job in jobs]
        await tx.apply(changes, closing=tokens)
    if jobs:
        log.warning("executor.rescued", jobs=len(jobs), leases=len(tokens))
    return len(tokens)


async def end_lapsed(*, begin: Begin[Upkeep], clock: Clock) -> int:
    """Give back or end waiting jobs whose approval or life has ended; return how many."""
    async with begin() as tx:
        jobs = await tx.lock_lapsed(jobs=_JOBS)
        if jobs:
            at = clock.now()
            await tx.apply([lapse(job, at=at) for job in jobs])
    return len(jobs)


async def keep_up(
    stop: asyncio.Event,
    *,
    begin: Begin[Upkeep],
    policy: RetryPolicy,
    clock: Clock,
    chance: Callable[[], float],
    measure: Callable[[], Awaitable[None]],
    wake: Wake,
) -> None:
    """See to what time brings, when it is due, until `stop`."""
    ringer = asyncio.create_task(wake.ring_at(stop), name="upkeep.stop")
    try:
        while not stop.is_set():
            wake.quiet()
            try:
                while await rescue_abandoned(begin=begin, policy=policy, clock=clock, chance=chance) == _LEASES:
                    continue
                while await end_lapsed(begin=begin, clock=clock) == _JOBS:
                    continue
                await measure()
                async with begin() as tx:
                    due_in = await tx.next_due()
            except Failure as failure:
                log.warning("executor.upkeep_failed", reason=failure.reason)
                due_in = None
            longest = LONGEST_SLEEP.total_seconds()
            sleep = longest if due_in is None else min(max(due_in, _SHORTEST_SLEEP), longest)
            await wake.wait(sleep)
    finally:
        ringer.cancel()
