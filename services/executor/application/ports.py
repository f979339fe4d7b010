"""What the use cases need from outside, each port named by what it is for. Knows no implementation."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from executor.domain.change import Change
from executor.domain.job import Attempt, Job, JobKey, Message, Scope, TakenJob
from executor.domain.outcome import Outcome
from executor.domain.pauses import Pause

T_co = TypeVar("T_co", covariant=True)


class Begin(Protocol[T_co]):
    """Open one transaction; it commits when its block ends without an exception."""

    def __call__(self) -> AbstractAsyncContextManager[T_co]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Only so many sends may begin in all, counted by the executors together, until control says otherwise."""

    control_id: UUID
    sends: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Sends of the scope may begin. `rate_factor` is how much of the pace to use, above 0 to 1."""

    rate_factor: float
    control_version: int
    canary: Canary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Sends of the scope may not begin."""

    control_ids: tuple[UUID, ...]
    reason: str
    paused_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Control's answer for the scope says neither: taken for a refusal, and nothing is written for it."""


Answer = Allowed | Paused | Unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What control said, one answer a scope in the order asked. `ttl` is in seconds."""

    answers: tuple[Answer, ...]
    ttl: float
    platform_version: int


class Control(Protocol):
    """Ask control."""

    async def check(self, scopes: Sequence[Scope], *, session_id: UUID) -> Answers:
        """Return its answers, or raise `Failure`: not given in time, or SESSION_ENDED."""
        ...


class Sessions(Protocol):
    """Make this executor known to control. Each raises `Failure` if control did not confirm it in time."""

    async def register(self, session_id: UUID, executor: str) -> None:
        """Begin a session; again is the same. Raises Failure SESSION_ENDED if it is over."""
        ...

    async def acknowledge(self, session_id: UUID, control_ids: Sequence[UUID]) -> None:
        """Extend the session and say which pauses are obeyed. Raises Failure SESSION_ENDED if it is over."""
        ...

    async def end(self, session_id: UUID) -> None:
        """Say that nothing begins under the session any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is paused, when the watch begins."""

    pauses: tuple[Pause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBegan:
    """A pause is live."""

    pause: Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEnded:
    """A pause is over."""

    control_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The watch lives."""


Told = Snapshot | PauseBegan | PauseEnded | Heartbeat


class Watch(Protocol):
    """Hear of pauses."""

    def watch(self) -> AsyncIterator[Told]:
        """Give a snapshot first, then changes and heartbeats, until the stream breaks (raises `Failure`, or ends)."""
        ...


class Provider(Protocol):
    """Send to one provider."""

    async def send(self, message: Message, begin: Callable[[], None]) -> Outcome:
        """Send `message` and say what came of it, within a deadline of the provider's own.

        `begin` is to be called at the last moment before the first byte of the request leaves, with nothing awaited
        between it and the write. What it raises (PermitLapsedError) passes through, and then no byte leaves.
        """
        ...

    async def health(self) -> bool:
        """Tell whether the provider can be reached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueScope:
    """A scope with READY jobs; times in seconds.

    `due_in`: until its first job is due. `slot_in`: until its lane has a slot; `ramp_in`: and one for what ramps up.
    """

    scope: Scope
    due_in: float
    slot_in: float
    ramp_in: float

    @property
    def ready_in(self) -> float:
        return max(self.due_in, self.slot_in)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOrder:
    """What may be taken now; times in seconds.

    `horizon` is how far ahead a slot may lie, `permit_seconds` how long the permit holds: what lapses sooner is left.
    """

    scopes: tuple[tuple[Scope, Allowed], ...]
    platform_version: int
    token: UUID
    jobs: int
    per_scope: int
    horizon: float
    permit_seconds: float
    lease_seconds: float


class Ledger(Protocol):
    """Move jobs within one transaction."""

    async def apply(self, changes: Sequence[Change], *, closing: Sequence[UUID] = ()) -> Sequence[Change]:
        """Store changes with their facts, signals and returns; give back those whose job has moved meanwhile.

        The leases `closing` are forgotten: all their jobs have moved on, at the latest in this transaction.
        """
        ...


class Taking(Ledger, Protocol):
    """What a round does in its transaction."""

    async def take(self, order: TakeOrder) -> Sequence[TakenJob]:
        """Move due jobs to SENDING under one lease, advance their lanes, and record that their sends started."""
        ...

    async def lock_due(self, scopes: Sequence[Scope], *, per_scope: int, jobs: int) -> Sequence[Job]:
        """Return due jobs of `scopes`, locked."""
        ...

    async def lock_leased(self, tokens: Sequence[UUID]) -> Sequence[Job]:
        """Return the jobs still SENDING under these leases, locked."""
        ...


class Queue(Protocol):
    """Look at what waits, outside of a round's transaction."""

    async def due_scopes(self, *, scopes: int) -> Sequence[DueScope]:
        """Return scopes with READY jobs, soonest to send first; of those that can now, who sent least recently."""
        ...

    async def release_held(self, live_ids: Sequence[UUID], *, jobs: int) -> int:
        """Make held jobs runnable whose pauses are not among `live_ids`; return how many, at most `jobs`."""
        ...

    async def mark_unreachable(self, scopes: Sequence[Scope], *, per_scope: int, jobs: int) -> None:
        """Say on due jobs that they wait for control."""
        ...


class Settling(Ledger, Protocol):
    """What outcomes need in their transaction."""

    async def lock(self, keys: Sequence[JobKey]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        """Return these jobs, locked, with their attempts."""
        ...


class Upkeep(Ledger, Protocol):
    """What time does to jobs, in one transaction."""

    async def lapsed_leases(self, *, leases: int) -> Sequence[UUID]:
        """Return leases that have lapsed, locked."""
        ...

    async def lock_leased(self, tokens: Sequence[UUID]) -> Sequence[Job]:
        """Return the jobs still SENDING under these leases, locked."""
        ...

    async def lock_lapsed(self, *, jobs: int) -> Sequence[Job]:
        """Return waiting jobs whose approval or life has ended, locked."""
        ...

    async def next_due(self) -> float | None:
        """Return the seconds until a lease or an approval lapses."""
        ...
