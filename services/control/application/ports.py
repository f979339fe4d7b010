"""What the use cases need of a store. Knows no SQL; tests and the simulation bring their own."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from control.domain.etag import Etag
from control.domain.pause import Order, Pause
from control.domain.resumption import CanaryCount
from control.domain.work import ScopedWork
from kernel.ids import ControlId, OrganizationId, SessionId


class Change(Protocol):
    """One transaction, which holds its organization's version: nobody else changes its pauses meanwhile."""

    @property
    def now(self) -> datetime:
        """The database's clock, read after the version was held."""
        ...

    @property
    def ttl_max(self) -> timedelta:
        """The longest permit that any replica grants; it stays so until this transaction ends."""
        ...

    @property
    def next_version(self) -> int:
        """The version that the next write makes."""
        ...

    @property
    def platform_version(self) -> int:
        """The platform's version as it was before this transaction began to wait for its own."""
        ...

    async def find(self, control_id: ControlId) -> Pause | None:
        """Return a pause of the organization."""
        ...

    async def find_ordered(self, *, peer: str, request_id: str) -> Pause | None:
        """Return the pause that a request id already made."""
        ...

    async def find_lifted(self, request_id: str) -> Sequence[Pause]:
        """Return the pauses that a resume's request id already lifted."""
        ...

    async def live(self) -> Sequence[Pause]:
        """Return the live pauses of the organization and of the platform."""
        ...

    async def cut_short(self, pause: Pause) -> None:
        """Bring what is under way of earlier plans for the same scope and target to the full pace, canaries too."""
        ...

    async def write(self, pause: Pause) -> None:
        """Keep a pause that is new or changed, its version and its event."""
        ...


class Changes(Protocol):
    """The primary's transactions."""

    def change(self, organization_id: OrganizationId) -> AbstractAsyncContextManager[Change]:
        """Begin; commit at the end of the block. What was not written leaves no trace."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfenced:
    """A pause that is PAUSING, and whether every session that the same snapshot saw has acknowledged it."""

    pause: Pause
    is_acknowledged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A pause as it was read, with the etag and the time (the database's) of that read."""

    pause: Pause
    etag: Etag
    at: datetime


class Pauses(Protocol):
    """Reads of committed pauses."""

    async def find(self, control_id: ControlId, organizations: Collection[OrganizationId]) -> Pause | None:
        """Return a pause of one of `organizations`."""
        ...

    async def read(
        self, control_ids: Collection[ControlId], organizations: Collection[OrganizationId]
    ) -> Sequence[Seen]:
        """Return those of the pauses that are of one of `organizations`."""
        ...

    async def live(self, organizations: Collection[OrganizationId]) -> Sequence[Seen]:
        """Return the live pauses of `organizations`, the oldest first."""
        ...

    async def unfenced(self) -> Sequence[Unfenced]:
        """Return all pauses that are PAUSING, read with one statement."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """The pauses whose time is over, and the seconds until that of the next (none if no other ends by itself)."""

    due: Sequence[Pause]
    next_in: float | None


class Deadlines(Protocol):
    """The pauses that end by themselves."""

    async def agenda(self) -> Agenda:
        """Return what is due now, on the database's clock."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one statement saw: versions and live pauses of the organizations asked for and of the platform.

    `resumed` are the lifted ones whose ramp or canary is under way; `at` is the time, on the database's clock.
    `beat` is the number of this replica's newest heartbeat that the same statement saw; `live_sessions` are those asked
    for that it saw and that had not ended.
    """

    pauses: Sequence[Pause]
    resumed: Sequence[Pause]
    at: datetime
    versions: Mapping[str, int]
    ttl_max: timedelta
    beat: int
    live_sessions: Collection[SessionId] = ()


class Snapshots(Protocol):
    """The primary's committed state."""

    async def take(self, organizations: Collection[str], sessions: Collection[SessionId] = ()) -> Snapshot:
        """Read with one statement, whose snapshot is taken after this call. The platform is always included."""
        ...


class Heartbeats(Protocol):
    """The proof that the primary takes writes."""

    async def beat(self, number: int, lane: int) -> None:
        """Write and commit. Lanes do not wait for each other."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The pauses that changed since a cursor (or are live, without one), and the next cursor.

    A pause may come again unchanged; none that changed is left out.
    """

    pauses: Sequence[Pause]
    cursor: str
    at: datetime


class Feed(Protocol):
    """Changes in the order in which they become visible."""

    async def news(self, cursor: str | None) -> News:
        """Return what changed since `cursor`."""
        ...


class Fences(Protocol):
    """The loop that fences, as the use cases see it."""

    def committed(self, pause: Pause) -> None:
        """Begin the wait for a pause whose commit was acknowledged just now."""
        ...

    async def settled(self, pause: Pause) -> Pause:
        """Return the pause as it is once it is no longer PAUSING."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """The sessions that are marked as ended, each with the longest permit it could hold; and whether others lapsed."""

    lapsed: bool
    waits: Mapping[SessionId, timedelta]


class SessionStore(Protocol):
    """The primary's sessions; each method commits by itself."""

    async def register(self, session_id: SessionId, executor: str, lease: timedelta) -> bool:
        """Keep a session durably, and that it obeys what the same snapshot sees PAUSING. False if it is over."""
        ...

    async def acknowledge(
        self, session_id: SessionId, control_ids: Collection[ControlId], lease: timedelta
    ) -> int | None:
        """Extend the lease and return how many acknowledgements are new; None if the session is over or unknown."""
        ...

    async def end(self, session_id: SessionId) -> None:
        """Delete a session, if it is there."""
        ...

    async def endings(self) -> Endings:
        """Return what has ended, and whether a lease is over on the database's clock."""
        ...

    async def mark_lapsed(self) -> None:
        """Mark durably those whose lease is over: no later snapshot shows them as live."""
        ...

    async def forget(self, ended: Collection[SessionId]) -> None:
        """Delete sessions that are marked."""
        ...


class Canaries(Protocol):
    """The resumed pauses whose canaries run."""

    async def running(self) -> Sequence[Pause]:
        """Return all of them."""
        ...


class CanaryCounts(Protocol):
    """The executors, who count a canary's sends together."""

    async def count(self, control_id: ControlId) -> CanaryCount:
        """Return how its sends went so far. Raises Failure UNAVAILABLE if they do not answer."""
        ...


class WorkCounts(Protocol):
    """Those who hold the work."""

    async def intents(self, order: Order) -> Sequence[ScopedWork]:
        """Return what waits with the gate in the scope of a pause. Raises Failure UNAVAILABLE if it does not answer."""
        ...

    async def jobs(self, order: Order) -> Sequence[ScopedWork]:
        """Return what the executor has of it. Raises Failure UNAVAILABLE if it does not answer."""
        ...
