"""Cancel intents that have not begun: those that wait with the gate at once, those handed over by asking the executor.

The gate never guesses about what it handed over: only the executor's answer ends such an intent.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from gate.application.changes import Encode, Mutation, Work, Works, once
from gate.application.judging import give_back
from gate.application.messages import Ending, Held
from gate.application.ports import CancelJobs, Organization
from gate.domain.words import CancelOutcome, IntentState
from kernel.clock import Clock

Outcomes = Mapping[UUID, CancelOutcome]
_ROUNDS = 5


async def cancel_intents(
    mutation: Mutation,
    intent_ids: Sequence[UUID],
    *,
    validate_only: bool,
    works: Works,
    cancel_jobs: CancelJobs,
    clock: Clock,
    encode: Encode[Outcomes],
) -> bytes:
    """Return what became of each. Raises Failure UNAVAILABLE if the executor is needed and does not answer.

    The executor is asked between transactions; what is handed over meanwhile is asked about in another round.
    """
    asked: dict[UUID, CancelOutcome] = {}
    for _ in range(_ROUNDS):
        async with works.work() as tx:
            organization = (await tx.lock([mutation.organization_id]))[mutation.organization_id]
            answer = None if validate_only else await tx.mutations.replay(mutation)
            if answer is not None:
                return answer
            found = await tx.held([(mutation.organization_id, intent_id) for intent_id in intent_ids])
            unasked = [
                held.message.intent_id
                for held in found
                if held.standing.state is IntentState.APPROVED and held.message.intent_id not in asked
            ]
            if not unasked:
                outcomes = _outcomes(intent_ids, found, asked)
                if validate_only:
                    return encode(outcomes)
                await _end(tx, mutation.subject, organization, found, outcomes, clock)

                async def done(outcomes: Outcomes = outcomes) -> Outcomes:
                    return outcomes

                return await once(tx, mutation, encode, done)
        asked.update(
            await cancel_jobs(
                organization_id=mutation.organization_id,
                request_id=f"{mutation.content_hash.hex()}.{len(asked)}",
                intent_ids=unasked,
                reason="canceled by the caller",
                actor=mutation.subject,
                validate_only=validate_only,
            )
        )
    raise AssertionError("intents are handed over faster than they can be asked about")


def _outcomes(intent_ids: Sequence[UUID], found: Sequence[Held], asked: Mapping[UUID, CancelOutcome]) -> Outcomes:
    outcomes = dict.fromkeys(intent_ids, CancelOutcome.NOT_FOUND)
    for held in found:
        match held.standing.state:
            case IntentState.QUEUED | IntentState.CANCELED:
                outcome = CancelOutcome.CANCELED
            case IntentState.APPROVED:
                outcome = asked[held.message.intent_id]
            case IntentState.BLOCKED | IntentState.EXPIRED:
                outcome = CancelOutcome.TOO_LATE
        outcomes[held.message.intent_id] = outcome
    return outcomes


async def _end(
    tx: Work,
    actor: str,
    organization: Organization,
    found: Sequence[Held],
    outcomes: Outcomes,
    clock: Clock,
) -> None:
    ending = [
        held
        for held in found
        if outcomes[held.message.intent_id] is CancelOutcome.CANCELED
        and held.standing.state is not IntentState.CANCELED
    ]
    await end_as_canceled(tx, organization, ending, actor=actor, clock=clock)


async def end_as_canceled(
    tx: Work,
    organization: Organization,
    ending: Sequence[Held],
    *,
    actor: str,
    reason: str = "",
    note: str = "",
    clock: Clock,
) -> None:
    """End intents and give their slots back, the latest first, so that a canceled tail frees the pace as well."""
    for held in sorted(ending, key=lambda held: held.standing.slot.at if held.standing.slot else 0, reverse=True):
        if held.standing.slot is not None:
            give_back(organization, held.standing.instance_id, held.standing.slot)
    await tx.end(
        [Ending(held=held, state=IntentState.CANCELED, actor=actor, reason=reason, note=note) for held in ending],
        clock.now(),
    )
    await tx.save_schedules([organization])
