"""Take back intents whose approval ran out before they began, and decide them again at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from gate.application.again import decide_again, scopes_to_ask
from gate.application.messages import Held
from gate.application.ports import Control, CountDecisions, Store, Wake
from gate.domain.words import IntentState
from kernel.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """An intent that the executor gives back, with the next number of its sequence."""

    organization_id: str
    intent_id: UUID
    decision_number: int
    sequence: int


async def take_back(
    returned: Sequence[Returned],
    *,
    control: Control,
    store: Store,
    clock: Clock,
    wake: Wake,
    count: CountDecisions,
) -> Sequence[Returned]:
    """Decide again what came back, and return what is not known here.

    Only the return of the newest decision counts: one that was taken before, or is older, changes nothing.
    """
    keys = [(item.organization_id, item.intent_id) for item in returned]
    controls = await control.check(await scopes_to_ask(await store.asked(keys), store))
    newest = {(item.organization_id, item.intent_id, item.decision_number): item for item in returned}
    async with store.deciding() as tx:
        organizations = await tx.lock({item.organization_id for item in returned})
        found = await tx.held(sorted(set(keys)))
        back: list[Held] = []
        for held in found:
            key = (held.message.organization_id, held.message.intent_id, held.standing.decision_number)
            item = newest.get(key)
            if item is not None and held.standing.state is IntentState.APPROVED:
                back.append(Held(message=held.message, standing=replace(held.standing, sequence=item.sequence)))
        decided = await decide_again(tx, organizations, back, controls.for_returns(), clock)
    if decided.waits:
        wake(None if controls.shares else min(wait.due_at for wait in decided.waits))
    count(decided.verdicts)
    known = {(held.message.organization_id, held.message.intent_id) for held in found}
    return [item for item in returned if (item.organization_id, item.intent_id) not in known]
