"""Forget a person, or say that they asked what is held. Knows them by the hash of their number only.

What is here goes in one commit, in which it is also noted what the executor has to forget; it is asked until it has, so
the order outlives both. The person stays suppressed, under a new random id: the old one, which timelines may be found
by, means nobody any more. A submit for the same person meets the same lock: it is forgotten with the rest, or it finds
the suppression.
"""

from dataclasses import dataclass
from uuid import UUID

from gate.application.cancel import end_as_canceled
from gate.application.changes import Encode, Mutation, Works, once
from gate.application.subjects import SubjectRequest
from gate.domain.words import Reason
from kernel.clock import Clock

NOTE = "the person was erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did here. `recipient_id` is the id that the person had, if anything was held."""

    recipient_id: UUID | None
    intents: int
    canceled: int


async def erase_subject(
    mutation: Mutation, number_hash: bytes, reason: str, *, works: Works, clock: Clock, encode: Encode[Erased]
) -> bytes:
    """Forget a person here, and note what the executor has to forget."""
    organization_id, actor = mutation.organization_id, mutation.subject

    async def change() -> Erased:
        queued = await tx.subjects.queued_intents(organization_id, number_hash)
        waiting = await tx.held([(organization_id, intent_id) for intent_id in queued])
        await end_as_canceled(tx, organization, waiting, actor=actor, reason=Reason.FORGOTTEN, note=NOTE, clock=clock)
        intent_ids = await tx.subjects.forget_intents(organization_id, number_hash)
        await tx.subjects.erase_later(organization_id, intent_ids, actor=actor)
        recipient_id = await tx.subjects.make_unknown(
            organization_id, number_hash, anew=bool(intent_ids), by=actor, at=clock.now()
        )
        if recipient_id is not None:
            told = SubjectRequest(
                organization_id=organization_id,
                recipient_id=recipient_id,
                erased=True,
                actor=actor,
                reason=reason,
                intents=len(intent_ids),
                canceled=len(waiting),
                forgotten=intent_ids,
            )
            tx.tell_subject(told, clock.now())
        return Erased(recipient_id=recipient_id, intents=len(intent_ids), canceled=len(waiting))

    async with works.work() as tx:
        organization = (await tx.lock([organization_id]))[organization_id]
        return await once(tx, mutation, encode, change)


async def tell_export(request: SubjectRequest, *, works: Works, clock: Clock) -> None:
    """Put on record that somebody asked what is held about a person."""
    async with works.work() as tx:
        tx.tell_subject(request, clock.now())
