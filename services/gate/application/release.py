"""Release: decide QUEUED intents again exactly when they come due, in batches and fairly across organizations.

What is due in a scope known to be paused is parked without a decision, unless it has expired; unparking is beside
this. Two replicas may run this: each row is claimed under the lock of its organization.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from gate.application.again import decide_again, scopes_to_ask
from gate.application.paused_scopes import PausedScopes
from gate.application.ports import Asked, Control, CountDecisions, Deciding, Store
from gate.domain.facts import Scope
from gate.domain.words import IntentState
from kernel.clock import Clock

A_BATCH = 1_000
AN_ORGANIZATION = 500
# Each intent that comes due in a paused scope is parked once: by one statement for many, so that a pause wakes nobody
# for every single one.
AHEAD = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A waiting intent that came due."""

    organization_id: str
    intent_id: UUID
    campaign_id: str
    instance_id: str
    expire_time: datetime

    @property
    def scope(self) -> Scope:
        """Return what may be paused of it; an empty instance stands for any of the organization's."""
        return Scope(self.organization_id, self.instance_id, self.campaign_id)


class Waiting(Protocol):
    """Finds what waits with the gate."""

    async def due(self, *, now: datetime, after: str, most: int, of_one: int) -> Sequence[Due]:
        """Return what is due in organizations after `after`, the oldest first, at most `of_one` of each."""
        ...

    async def next_due(self) -> datetime | None:
        """Return when the next comes due."""
        ...

    async def park(self, scopes: Collection[Scope], *, now: datetime, until: datetime, most: int) -> None:
        """Have what comes due in these scopes until then wait for a resume, at most `most` of each."""
        ...


class Claiming(Deciding, Protocol):
    """A transaction that claims what is due."""

    async def claim_due(self, dues: Sequence[Due], now: datetime) -> Sequence[tuple[str, UUID]]:
        """Return those that are still due and that nobody else holds."""
        ...


class ClaimingStore(Store, Protocol):
    """Begins transactions that claim what is due."""

    def claiming(self) -> AbstractAsyncContextManager[Claiming]:
        """Begin a transaction that commits when its block ends."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What one round did: where the next one goes on, and whether there may be more now."""

    after: str
    more: bool
    control_down: bool


async def release_due(
    after: str,
    *,
    control: Control,
    store: ClaimingStore,
    waiting: Waiting,
    paused: PausedScopes,
    clock: Clock,
    count: CountDecisions,
) -> Released:
    """Decide one batch of what is due. `after` is the organization at which the last round ended."""
    now = clock.now()
    dues = await waiting.due(now=now, after=after, most=A_BATCH, of_one=AN_ORGANIZATION)
    covered = {
        scope
        for scope in {due.scope for due in dues}
        if paused.covering(scope.organization_id, scope.campaign_id, scope.instance_id)
    }
    if covered:
        await waiting.park(covered, now=now, until=now + AHEAD, most=A_BATCH)
    free = [due for due in dues if due.scope not in covered or due.expire_time <= now]
    control_down = bool(free) and await _decide(free, control, store, clock, count)
    full = len(dues) >= A_BATCH
    return Released(
        after=dues[-1].organization_id if full else "",
        more=full or bool(after) or len(dues) >= AN_ORGANIZATION,
        control_down=control_down,
    )


async def _decide(
    dues: Sequence[Due], control: Control, store: ClaimingStore, clock: Clock, count: CountDecisions
) -> bool:
    """Return whether control did not answer for some."""
    asked = [
        Asked(organization_id=due.organization_id, campaign_id=due.campaign_id, instance_id=due.instance_id)
        for due in dues
    ]
    scopes = await scopes_to_ask(asked, store)
    controls = await control.check(scopes)
    async with store.claiming() as tx:
        organizations = await tx.lock({due.organization_id for due in dues})
        claimed = await tx.claim_due(dues, clock.now())
        helds = [held for held in await tx.held(claimed) if held.standing.state is IntentState.QUEUED]
        decided = await decide_again(tx, organizations, helds, controls, clock)
    count(decided.verdicts)
    return not controls.asked >= scopes
