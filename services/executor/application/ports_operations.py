"""What calls of the gate and of operators and the webhooks' inbox need from the store. Knows no implementation."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from executor.application.ports import Ledger
from executor.domain.job import Attempt, Job, JobKey, Lane, NewJob
from executor.domain.outcome import Rejected, Retryable
from executor.domain.words import DeliveryStatus


class Arrivals(Protocol):
    """Take over what the gate approved."""

    async def keep_lanes(self, lanes: Sequence[Lane]) -> bool:
        """Keep the newest version of each lane; tell whether there was news."""
        ...

    async def insert(self, jobs: Sequence[NewJob], *, at: datetime) -> int:
        """Insert new jobs, revive returned ones, cancel what has a tombstone; return how many were taken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """A webhook as it came, durable and not yet worked on."""

    inbox_id: UUID
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStatus:
    """One status as the provider tells it: `account` is the number's id there, `attempt_id` the callback data."""

    account: str
    attempt_id: str
    status: DeliveryStatus
    provider_message_id: str
    provider_time: datetime
    received_at: datetime
    failure: Rejected | Retryable | None


class Inbox(Ledger, Protocol):
    """Work off webhooks, in one transaction."""

    async def due_entries(self, *, entries: int) -> Sequence[InboxEntry]:
        """Return entries to work on, locked."""
        ...

    async def owners(self, accounts: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return whose the numbers are, by their ids at the provider."""
        ...

    async def lock_idle(self, keys: Sequence[JobKey]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        """Return those of these jobs that nobody else is moving, locked, with their attempts."""
        ...

    async def present(self, keys: Sequence[JobKey]) -> Set[JobKey]:
        """Return which of these jobs exist."""
        ...

    async def finish(self, entries: Sequence[InboxEntry], *, again: Sequence[ToldStatus], refused: str = "") -> None:
        """Remove `entries`, setting them aside if `refused` says why, and keep `again` for a moment later."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A mutation as a caller asked for it: the same request id with the same content is the same mutation."""

    organization_id: str
    request_id: str
    method: str
    fingerprint: bytes
    reason: str
    actor: str


class Operating(Ledger, Protocol):
    """What operators and the gate ask for, in one transaction."""

    async def claim(self, request: Request) -> Sequence[str] | None:
        """Return the answer this request had, or None if it is new. Raises Failure REQUEST_ID_REUSED."""
        ...

    async def remember(self, request: Request, answer: Sequence[str]) -> None:
        """Keep the answer of a claimed request."""
        ...

    async def hold_arrivals(self) -> None:
        """Make jobs that are arriving wait until this transaction ends."""
        ...

    async def bury(self, keys: Sequence[JobKey], *, reason: str, actor: str) -> None:
        """Leave tombstones: these jobs are canceled on arrival."""
        ...

    async def forget(self, keys: Sequence[JobKey]) -> None:
        """Forget recipient and content of those that are over."""
        ...

    async def lock(self, keys: Sequence[JobKey]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        """Return these jobs, locked, with their attempts."""
        ...

    async def dead_jobs(self, organization_id: str, campaign_id: str, *, jobs: int) -> Sequence[JobKey]:
        """Return DEAD jobs of a campaign."""
        ...
