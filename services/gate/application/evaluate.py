"""Evaluate: what would be decided now, with the function that decides. Writes nothing and takes no slot."""

from gate.application.messages import Recorded, Submission
from gate.application.ports import Control, Store
from gate.application.submit import items_of, load_bench, message_of, scopes_of_items
from kernel.clock import Clock
from kernel.ids import uuid7


async def evaluate(submission: Submission, *, control: Control, store: Store, clock: Clock) -> Recorded:
    """Return the decision that a submit of the submission's only intent would get now, under a new request id."""
    (item,) = items_of([submission])
    controls = await control.check(await scopes_of_items([item], store))
    async with store.evaluating() as tx:
        organization = await tx.look(submission.organization_id)
        organizations = {submission.organization_id: organization}
        bench = await load_bench(tx, [item], organizations, controls, clock.now(), known={})
    decision = bench.judge(message_of(item, uuid7(), bench.recipients, bench.now))
    return Recorded(number=1, decided_by=submission.subject, decision=decision)
