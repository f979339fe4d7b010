"""Ask the executor to forget jobs of people who were erased, until it has. Erases nobody itself."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from gate.application.cancel import end_as_canceled
from gate.application.changes import Works
from gate.application.erasure import NOTE
from gate.domain.words import EraseOutcome, IntentState, Reason
from kernel.clock import Clock
from kernel.errors import Failure

_A_CALL = 1_000
FIRST = ("", UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingErasure:
    """One intent that the executor has to forget."""

    organization_id: str
    intent_id: UUID
    actor: str


class PendingErasures(Protocol):
    """Keeps what the executor has still to forget."""

    async def erasures(
        self, organization_id: str | None, after: tuple[str, UUID], most: int
    ) -> Sequence[PendingErasure]:
        """Return what comes after `after`, of one organization or of all, in order."""
        ...

    async def erased(self, organization_id: str, intent_ids: Sequence[UUID]) -> None:
        """Note that the executor has forgotten these."""
        ...


class EraseJobs(Protocol):
    """Asks the executor to forget jobs. Raises Failure if it does not answer."""

    async def __call__(
        self, *, organization_id: str, intent_ids: Sequence[UUID], actor: str
    ) -> Mapping[UUID, EraseOutcome]: ...


async def settle_erasures(
    organization_id: str | None,
    *,
    pendings: PendingErasures,
    works: Works,
    erase_jobs: EraseJobs,
    clock: Clock,
) -> bool:
    """Ask once about all that is pending, and return whether that was answered. What is being sent stays pending."""
    after = FIRST
    while batch := await pendings.erasures(organization_id, after, _A_CALL):
        grouped: dict[tuple[str, str], list[UUID]] = defaultdict(list)
        for pending in batch:
            grouped[pending.organization_id, pending.actor].append(pending.intent_id)
        for (owner, actor), intent_ids in grouped.items():
            try:
                outcomes = await erase_jobs(organization_id=owner, intent_ids=intent_ids, actor=actor)
            except Failure:
                return False
            await _end(owner, actor, outcomes, works=works, clock=clock)
            done = [intent_id for intent_id, outcome in outcomes.items() if outcome is not EraseOutcome.SENDING]
            await pendings.erased(owner, done)
        after = (batch[-1].organization_id, batch[-1].intent_id)
    return True


async def _end(owner: str, actor: str, outcomes: Mapping[UUID, EraseOutcome], *, works: Works, clock: Clock) -> None:
    """End what the executor canceled; it has told so itself."""
    canceled = [(owner, intent_id) for intent_id, outcome in outcomes.items() if outcome is EraseOutcome.CANCELED]
    if not canceled:
        return
    async with works.work() as tx:
        organization = (await tx.lock([owner]))[owner]
        ending = [held for held in await tx.held(canceled) if held.standing.state is IntentState.APPROVED]
        await end_as_canceled(tx, organization, ending, actor=actor, reason=Reason.FORGOTTEN, note=NOTE, clock=clock)
