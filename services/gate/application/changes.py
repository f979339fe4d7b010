"""What changes share: idempotency by request id, and what a transaction of changes can do. Knows no single change."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from gate.application.messages import Held
from gate.application.ports import Deciding, Organization
from gate.application.subjects import SubjectRequest, Subjects
from gate.domain.facts import Cooldown
from gate.domain.policy import Policy

R = TypeVar("R")
Encode = Callable[[R], bytes]
"""Turns a result into the answer that a repeated request gets again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Who asks for which change, under which request id."""

    organization_id: str
    subject: str
    method: str
    request_id: str
    content_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """A registered number. `version` grows with each change."""

    instance_id: str
    display_name: str
    provider: str
    provider_account: str
    connected: bool
    version: int
    created_at: datetime
    cooldown: Cooldown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A policy in force; version 0 is the default and was stored by nobody."""

    policy: Policy
    version: int
    created_at: datetime | None
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownChange:
    """A cooldown that started or ended, to be told as an event."""

    organization_id: str
    instance_id: str
    cooldown: Cooldown
    started: bool
    at: datetime
    actor: str
    failures: int = 0
    sends: int = 0


class Mutations(Protocol):
    """Remembers answers by request id."""

    async def replay(self, mutation: Mutation) -> bytes | None:
        """Return the answer given before. Raises Failure REQUEST_ID_REUSED if it was for other content."""
        ...

    async def remember(self, mutation: Mutation, answer: bytes) -> None:
        """Keep the answer."""
        ...

    async def amend(self, mutation: Mutation, answer: bytes) -> None:
        """Replace the answer that was kept."""
        ...


class Instances(Protocol):
    """Keeps instances."""

    async def find(self, organization_id: str, instance_id: str) -> InstanceRecord | None:
        """Return an instance."""
        ...

    async def insert(self, organization_id: str, record: InstanceRecord) -> None:
        """Store a new instance."""
        ...

    async def save(self, organization_id: str, record: InstanceRecord, at: datetime) -> None:
        """Store what can change of an instance: name, account, connection, version."""
        ...

    async def end_cooldown(self, organization_id: str, instance_id: str, at: datetime, *, by: str, reason: str) -> None:
        """Clear the cooldown; the windows start anew."""
        ...

    async def cooldown_starts(self, organization_id: str, instance_id: str, since: datetime) -> Sequence[datetime]:
        """Return when cooldowns started."""
        ...

    async def start_cooldown(self, organization_id: str, instance_id: str, cooldown: Cooldown) -> None:
        """Store a cooldown and that it was."""
        ...


class Policies(Protocol):
    """Keeps policies."""

    async def current(self, organization_id: str) -> StoredPolicy:
        """Return the policy in force."""
        ...

    async def put(self, organization_id: str, stored: StoredPolicy) -> None:
        """Put a version in force; older ones are kept."""
        ...

    async def give_up_slots(self, organization_id: str, now: datetime) -> None:
        """Free the slots of all that waits for one, and make it due now: other limits, other slots."""
        ...


class Suppressions(Protocol):
    """Keeps who is not to be written to."""

    async def add(
        self, organization_id: str, number_hashes: Sequence[bytes], *, by: str, reason: str, at: datetime
    ) -> int:
        """Suppress these numbers and return how many were not before."""
        ...

    async def remove(
        self, organization_id: str, number_hashes: Sequence[bytes], *, by: str, reason: str, at: datetime
    ) -> int:
        """Allow these numbers again, keep that they were suppressed, and return how many were."""
        ...

    async def live_intents(self, organization_id: str, number_hashes: Sequence[bytes], now: datetime) -> Sequence[Held]:
        """Return the intents for these numbers that wait or were handed over and have not expired."""
        ...

    async def ask_later(self, organization_id: str, intent_ids: Sequence[UUID], *, actor: str, reason: str) -> None:
        """Note that the executor has to be asked to cancel these; it is asked until it answers."""
        ...


class Work(Deciding, Protocol):
    """One transaction of changes, under the lock of the organizations concerned."""

    @property
    def mutations(self) -> Mutations: ...
    @property
    def instances(self) -> Instances: ...
    @property
    def policies(self) -> Policies: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def subjects(self) -> Subjects: ...

    async def tell_lanes(self, organization: Organization, instance_ids: Iterable[str]) -> None:
        """Give the lanes a new version and post them to the executor, as they are after the change."""
        ...

    def tell_subject(self, request: SubjectRequest, at: datetime) -> None:
        """Post that a person was forgotten or exported, and which intents were forgotten with them."""
        ...

    def tell_cooldowns(self, changes: Sequence[CooldownChange]) -> None:
        """Post the events of cooldowns."""
        ...


class Works(Protocol):
    """Begins transactions of changes."""

    def work(self) -> AbstractAsyncContextManager[Work]:
        """Begin a transaction that commits when its block ends."""
        ...


async def once(tx: Work, mutation: Mutation, encode: Encode[R], change: Callable[[], Awaitable[R]]) -> bytes:
    """Do a change once for its request id, and give every repeat the same answer. Call under the lock."""
    answer = await tx.mutations.replay(mutation)
    if answer is None:
        answer = encode(await change())
        await tx.mutations.remember(mutation, answer)
    return answer
