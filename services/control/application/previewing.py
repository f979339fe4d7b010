"""Preview: what a pause would stop, asked of those who hold the work. Pauses nothing and knows no store."""

import asyncio

from control.application.ports import WorkCounts
from control.domain.authority import Requester, Wish, demand_reasonable_end, order_of
from control.domain.work import BlastRadius, blast_radius
from kernel.clock import Clock


async def preview(wish: Wish, requester: Requester, *, clock: Clock, work: WorkCounts) -> BlastRadius:
    """Return what the pause would stop. Refuses what Pause refuses; raises Failure UNAVAILABLE for who is silent."""
    order = order_of(wish, requester)
    demand_reasonable_end(order, clock.now())
    intents, jobs = await asyncio.gather(work.intents(order), work.jobs(order))
    return blast_radius([*intents, *jobs])
