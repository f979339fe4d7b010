"""Ask the executor to cancel what it holds for people who were suppressed, until it answers. Suppresses nobody."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol
from uuid import UUID

from gate.application.cancel import end_as_canceled
from gate.application.changes import Works
from gate.application.ports import CancelJobs
from gate.domain.words import CancelOutcome, IntentState, Reason
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
    """Asks about what is pending in one organization, or in all. Returns whether all of it was answered."""

    async def __call__(self, organization_id: str | None) -> bool: ...


async def settle_cancels(
    organization_id: str | None,
    *,
    pendings: PendingCancels,
    works: Works,
    cancel_jobs: CancelJobs,
    clock: Clock,
) -> bool:
    """Ask about all that is pending, part by part, until something is not answered: that stays pending."""
    while batch := await pendings.pending(organization_id, _A_CALL):
        grouped: dict[tuple[str, str, str], list[PendingCancel]] = defaultdict(list)
        for pending in batch:
            grouped[pending.organization_id, pending.actor, pending.reason].append(pending)
        answered = [
            await _ask(group, pendings=pendings, works=works, cancel_jobs=cancel_jobs, clock=clock)
            for group in grouped.values()
        ]
        if not all(answered):
            return False
    return True


async def _ask(
    group: Sequence[PendingCancel], *, pendings: PendingCancels, works: Works, cancel_jobs: CancelJobs, clock: Clock
) -> bool:
    """Ask about intents of one organization, actor and reason; return whether the executor answered."""
    owner, actor, reason = group[0].organization_id, group[0].actor, group[0].reason
    intent_ids = sorted(pending.intent_id for pending in group)
    try:
        outcomes = await cancel_jobs(
            organization_id=owner,
            request_id=f"suppressed.{_digest(intent_ids)}",
            intent_ids=intent_ids,
            reason=reason,
            actor=actor,
            validate_only=False,
        )
    except Failure:
        return False
    async with works.work() as tx:
        organization = (await tx.lock([owner]))[owner]
        ending = [
            held
            for held in await tx.held([(owner, intent_id) for intent_id in intent_ids])
            if outcomes.get(held.message.intent_id) is CancelOutcome.CANCELED
            and held.standing.state is IntentState.APPROVED
        ]
        await end_as_canceled(tx, organization, ending, actor=actor, reason=Reason.OPTED_OUT, note=reason, clock=clock)
    await pendings.settled(group)
    return True


def _digest(intent_ids: Sequence[UUID]) -> str:
    """Return what names exactly these, so that another list is another request."""
    return blake2b(b"".join(intent_id.bytes for intent_id in intent_ids), digest_size=16).hexdigest()


async def settle_until(stop: asyncio.Event, *, settle: SettleCancels) -> None:
    """Ask about what is left every few seconds, until `stop`."""
    while not stop.is_set():
        with contextlib.suppress(Failure):
            await settle(None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
