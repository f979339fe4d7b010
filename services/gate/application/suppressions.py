"""Never write to these people again, and cancel what waits for them. Knows them by their numbers' hashes only.

What was handed over is noted in the same commit and the executor is asked until it answers, whether or not the caller
comes back: a suppression stands even while the executor is away. The caller is told when that is not done yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from gate.application.cancel import end_as_canceled
from gate.application.changes import Encode, Mutation, Work, Works, once
from gate.application.messages import Held
from gate.application.pending_cancels import RETRY_SECONDS, SettleCancels
from gate.application.ports import Organization
from gate.domain.words import IntentState, Reason
from kernel.clock import Clock
from kernel.errors import Failure, Kind


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
) -> bytes:
    """Suppress, and cancel what waits. Raises Failure UNAVAILABLE, all being stored, if the executor did not answer."""
    handed_over: list[UUID] = []
    done: Suppressed | None = None

    async def change() -> Suppressed:
        nonlocal done
        added = await tx.suppressions.add(
            mutation.organization_id, number_hashes, by=mutation.subject, reason=reason, at=clock.now()
        )
        canceled, asked = await cancel_waiting(
            tx, organization, number_hashes, actor=mutation.subject, note="suppressed", clock=clock
        )
        handed_over.extend(asked)
        done = Suppressed(added=added, canceled=canceled)
        return done

    async with works.work() as tx:
        organization = (await tx.lock([mutation.organization_id]))[mutation.organization_id]
        answer = await once(tx, mutation, encode, change)
    settled = await settle(mutation.organization_id)
    if done is not None and handed_over:
        answer = await _amended(mutation, done, handed_over, works=works, encode=encode)
    if not settled:
        raise Failure(
            Kind.UNAVAILABLE,
            "EXECUTOR_UNREACHABLE",
            "the suppressions are stored and hold, but the executor did not answer for what it was handed before; it "
            "is asked again until it does, and repeating this call tells when that is done",
            retry_after=timedelta(seconds=RETRY_SECONDS),
        )
    return answer


async def _amended(
    mutation: Mutation, done: Suppressed, handed_over: Sequence[UUID], *, works: Works, encode: Encode[Suppressed]
) -> bytes:
    """Count in what the executor canceled, for this answer and its repeats."""
    async with works.work() as tx:
        await tx.lock([mutation.organization_id])
        found: Sequence[Held] = await tx.held([(mutation.organization_id, intent_id) for intent_id in handed_over])
        canceled = sum(held.standing.state is IntentState.CANCELED for held in found)
        answer = encode(replace(done, canceled=done.canceled + canceled))
        await tx.mutations.amend(mutation, answer)
    return answer


async def cancel_waiting(
    tx: Work,
    organization: Organization,
    number_hashes: Sequence[bytes],
    *,
    actor: str,
    note: str,
    clock: Clock,
) -> tuple[int, Sequence[UUID]]:
    """Cancel what waits with the gate. Return how many that were, and what the executor has now to be asked about."""
    live = await tx.suppressions.live_intents(organization.organization_id, number_hashes, clock.now())
    waiting = [held for held in live if held.standing.state is IntentState.QUEUED]
    await end_as_canceled(tx, organization, waiting, actor=actor, reason=Reason.OPTED_OUT, note=note, clock=clock)
    handed_over = [held.message.intent_id for held in live if held.standing.state is IntentState.APPROVED]
    if handed_over:
        await tx.suppressions.ask_later(organization.organization_id, handed_over, actor=actor, reason=note)
    return len(waiting), handed_over


async def remove_suppressions(
    mutation: Mutation,
    number_hashes: Sequence[bytes],
    reason: str,
    *,
    works: Works,
    clock: Clock,
    encode: Encode[int],
) -> bytes:
    """Allow these people to be written to again."""

    async def change() -> int:
        return await tx.suppressions.remove(
            mutation.organization_id, number_hashes, by=mutation.subject, reason=reason, at=clock.now()
        )

    async with works.work() as tx:
        await tx.lock([mutation.organization_id])
        return await once(tx, mutation, encode, change)
