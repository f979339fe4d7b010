"""One executor process: its use cases as its composition root ties them, on simulated ports. Knows no pause by name."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from uuid import UUID

from tests.simulation.control_link import ControlLink
from tests.simulation.executor_store import Store
from tests.simulation.loop import Process

from executor.application.dispatch import Dispatch
from executor.application.outcomes import Outcomes
from executor.application.ports import Provider
from executor.application.rounds import Limits
from executor.application.sending import Sender
from executor.application.session import Session
from executor.application.signals import Wake
from executor.application.upkeep import keep_up
from executor.application.watching import Hearing, watch_pauses
from executor.domain.pauses import KnownPauses
from executor.domain.revocations import Revocations
from executor.domain.settling import RetryPolicy
from kernel.clock import Clock

IN_FLIGHT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorParts:
    """What an executor is made of where a mutant may put something else."""

    link: type[ControlLink] = ControlLink
    sender: type[Sender] = Sender
    revocations: type[Revocations] = Revocations


class ExecutorProcess:
    """An executor that runs, until its `stop` is set or it is killed."""

    def __init__(
        self,
        process: Process,
        *,
        store: Store,
        control: ControlLink,
        provider: Provider,
        clock: Clock,
        random: Random,
        new_id: Callable[[], UUID],
        parts: ExecutorParts,
    ) -> None:
        self.process = process
        self.stop = asyncio.Event()
        policy, chance = RetryPolicy(), random.random
        pauses, revocations = KnownPauses(), parts.revocations()
        outcomes = Outcomes(begin=store.begin, capacity=IN_FLIGHT)
        session = Session(control=control, executor=process.name, new_id=new_id, registered=outcomes.room_made.ring)
        self.dispatch = Dispatch(
            queue=store,
            begin=store.begin,
            control=control,
            sender=parts.sender(
                providers={"stub": provider}, revocations=revocations, policy=policy, clock=clock, chance=chance
            ),
            outcomes=outcomes,
            session=session,
            pauses=pauses,
            revocations=revocations,
            clock=clock,
            new_token=new_id,
            limits=Limits(),
        )
        hearing = Hearing(revocations=revocations, pauses=pauses, session=session, wake=self.dispatch.wake, clock=clock)
        ended = self.dispatch.ended
        rescue = keep_up(
            self.stop, begin=store.begin, policy=policy, clock=clock, chance=chance, measure=_nothing, wake=Wake()
        )
        process.start(self.dispatch.run(self.stop), "dispatch")
        process.start(outcomes.run(self.stop), "outcomes")
        process.start(rescue, "rescue")
        process.start(session.run(ended), "session")
        process.start(watch_pauses(ended, control=control, hearing=hearing, chance=chance), "watch")


async def _nothing() -> None:
    return
