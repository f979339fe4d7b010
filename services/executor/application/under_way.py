"""The sends that are under way in this process: started together, each on its own, finished at the stop."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from executor.application.outcomes import Outcomes
from executor.application.sending import Sender
from executor.domain.job import TakenJob
from executor.domain.permit import Permit
from kernel.clock import Clock

log = structlog.get_logger("executor")


class UnderWay:
    """Starts sends and keeps them until their outcomes are handed over."""

    def __init__(self, *, sender: Sender, outcomes: Outcomes, clock: Clock) -> None:
        self._sender = sender
        self._outcomes = outcomes
        self._clock = clock
        self._sends: set[asyncio.Task[None]] = set()

    def start(self, taken: Sequence[TakenJob], token: UUID, permit: Permit) -> None:
        """Start the sends. Slots count from now: later than on the database's clock by the commit, never earlier."""
        if not taken:
            return
        self._outcomes.opened(token, len(taken))
        now = self._clock.boottime()
        for job in taken:
            send = self._sender.send(job, permit, slot=now + job.slot_in, settled=self._outcomes.add)
            task = asyncio.create_task(send)
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)

    async def finish(self, *, seconds: float) -> None:
        """Wait for the sends; those that outlast `seconds` are cut off and become UNKNOWN."""
        if not self._sends:
            return
        _, late = await asyncio.wait(self._sends, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            log.warning("executor.sends_cut_off", sends=len(late))
            await asyncio.wait(late)
