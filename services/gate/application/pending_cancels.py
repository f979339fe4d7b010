"""Ask the executor to cancel what it holds for people who were suppressed, until it answers. Suppresses nobody."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from gate.application.cancel import end_as_canceled
from gate.application.changes import Works
from gate.application.ports import CancelJobs
from gate.domain.words import CancelOutcome, IntentState
from kernel.clock import Clock
from kernel.errors import Failure

_A_CALL = 1_000
RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCancel:
    """One intent that the executor has to be asked about."""

    organization_id: str
    intent_id: UUID
    actor: str
    reason: str


class PendingCancels(Protocol):
    """Keeps what the executor has still to be asked."""

    async def pending(self, organization_id: str | None, most: int) -> Sequence[PendingCancel]:
        """Return what is to be asked, of one organization or of all."""
        ...

    async def settled(self, pending: Sequence[PendingCancel]) -> None:
        """Forget what was answered."""
        ...


class SettleCancels(Protocol):
    """Asks about what is pending in one organization, or in all. Returns how many were canceled."""

    async def __call__(self, organization_id: str | None) -> int: ...


async def settle_cancels(
    organization_id: str | None,
    *,
    pendings: PendingCancels,
    works: Works,
    cancel_jobs: CancelJobs,
    clock: Clock,
) -> int:
    """Ask once about all that is pending. What the executor does not answer stays pending; that raises nothing."""
    canceled = 0
    grouped: dict[tuple[str, str, str], list[PendingCancel]] = defaultdict(list)
    for pending in await pendings.pending(organization_id, _A_CALL):
        grouped[pending.organization_id, pending.actor, pending.reason].append(pending)
    for (owner, actor, reason), group in grouped.items():
        intent_ids = [pending.intent_id for pending in group]
        try:
            outcomes = await cancel_jobs(
                organization_id=owner,
                request_id=f"suppressed.{min(intent_ids)}.{len(intent_ids)}",
                intent_ids=intent_ids,
                reason=reason,
                actor=actor,
                validate_only=False,
            )
        except Failure:
            continue
        async with works.work() as tx:
            organization = (await tx.lock([owner]))[owner]
            ending = [
                held
                for held in await tx.held([(owner, intent_id) for intent_id in intent_ids])
                if outcomes.get(held.message.intent_id) is CancelOutcome.CANCELED
                and held.standing.state is IntentState.APPROVED
            ]
            await end_as_canceled(tx, organization, ending, actor=actor, note=reason, clock=clock)
        await pendings.settled(group)
        canceled += len(ending)
    return canceled


async def settle_until(stop: asyncio.Event, *, settle: SettleCancels) -> None:
    """Ask about what is left every few seconds, until `stop`."""
    while not stop.is_set():
        with contextlib.suppress(Failure):
            await settle(None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
