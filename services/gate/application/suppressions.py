"""Never write to these people again, and cancel what waits for them. Knows them by their numbers' hashes only.

What was handed over is noted in the same commit and the executor is asked until it answers, so that a suppression
holds even while the executor is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gate.application.cancel import end_as_canceled
from gate.application.changes import Encode, Mutation, Work, Works, once
from gate.application.pending_cancels import SettleCancels
from gate.application.ports import Organization
from gate.domain.words import IntentState
from kernel.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """What adding suppressions did."""

    added: int
    canceled: int


async def add_suppressions(
    mutation: Mutation,
    number_hashes: Sequence[bytes],
    reason: str,
    *,
    works: Works,
    settle: SettleCancels,
    clock: Clock,
    encode: Encode[Suppressed],
) -> tuple[bytes, int]:
    """Suppress, and return the answer with how many intents the executor canceled on top."""

    async def change() -> Suppressed:
        added = await tx.suppressions.add(
            mutation.organization_id, number_hashes, by=mutation.subject, reason=reason, at=clock.now()
        )
        canceled = await cancel_waiting(
            tx, organization, number_hashes, actor=mutation.subject, note="suppressed", clock=clock
        )
        return Suppressed(added=added, canceled=canceled)

    async with works.work() as tx:
        organization = (await tx.lock([mutation.organization_id]))[mutation.organization_id]
        answer = await once(tx, mutation, encode, change)
    return answer, await settle(mutation.organization_id)


async def cancel_waiting(
    tx: Work,
    organization: Organization,
    number_hashes: Sequence[bytes],
    *,
    actor: str,
    note: str,
    clock: Clock,
) -> int:
    """Cancel what waits with the gate and note what the executor has to be asked. Return how many were canceled."""
    live = await tx.suppressions.live_intents(organization.organization_id, number_hashes, clock.now())
    waiting = [held for held in live if held.standing.state is IntentState.QUEUED]
    await end_as_canceled(tx, organization, waiting, actor=actor, note=note, clock=clock)
    handed_over = [held.message.intent_id for held in live if held.standing.state is IntentState.APPROVED]
    if handed_over:
        await tx.suppressions.ask_later(organization.organization_id, handed_over, actor=actor, reason=note)
    return len(waiting)


async def remove_suppressions(
    mutation: Mutation, number_hashes: Sequence[bytes], *, works: Works, encode: Encode[int]
) -> bytes:
    """Allow these people to be written to again."""

    async def change() -> int:
        return await tx.suppressions.remove(mutation.organization_id, number_hashes)

    async with works.work() as tx:
        await tx.lock([mutation.organization_id])
        return await once(tx, mutation, encode, change)
