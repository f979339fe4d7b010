"""Reads of committed pauses, and the heartbeat's write. Knows no rule and no change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Database, Queries
from control.application.ports import Agenda, News, Seen, Snapshot, Unfenced
from control.domain.pause import PLATFORM, Pause, Scope
from control.infrastructure.rows import pause_of, seen_of
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which pauses a list is of; an empty target and no scope are all."""

    organizations: Collection[OrganizationId]
    live_only: bool
    scope: Scope | None
    target: str


class PostgresPauses:
    """Pauses as they are committed."""

    def __init__(self, database: Database, queries: Queries) -> None:
        self._database = database
        self._queries = queries

    async def find(self, control_id: ControlId, organizations: Collection[OrganizationId]) -> Pause | None:
        """Return a pause of one of `organizations`."""
        seen = await self.read([control_id], organizations)
        return seen[0].pause if seen else None

    async def read(
        self, control_ids: Collection[ControlId], organizations: Collection[OrganizationId]
    ) -> Sequence[Seen]:
        """Return those of the pauses that are of one of `organizations`."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(
                self._queries.find_pauses, control_ids=list(control_ids), organization_ids=list(organizations)
            )
        return [seen_of(row) for row in rows]

    async def live(self, organizations: Collection[OrganizationId]) -> Sequence[Seen]:
        """Return the live pauses of `organizations`, the oldest first."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(self._queries.list_live_pauses, organization_ids=list(organizations))
        return [seen_of(row) for row in rows]

    async def unfenced(self) -> Sequence[Unfenced]:
        """Return all pauses that are PAUSING, read with one statement."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(self._queries.list_unfenced_pauses)
        return [Unfenced(pause=pause_of(row), is_acknowledged=row.is_acknowledged) for row in rows]

    async def page(self, filter_: Filter, *, before: ControlId | None, count: int) -> Sequence[Seen]:
        """Return up to `count` pauses older than `before`, the newest first."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(
                self._queries.list_pauses,
                organization_ids=list(filter_.organizations),
                live_only=filter_.live_only,
                scope=filter_.scope.value if filter_.scope else "",
                target=filter_.target,
                before=before,
                count=count,
            )
        return [seen_of(row) for row in rows]

    async def agenda(self) -> Agenda:
        """Return the pauses whose time is over, and how far off the next one is."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(self._queries.list_due_pauses)
        due = [pause_of(row) for row in rows if row.seconds <= 0]
        return Agenda(due=due, next_in=min((row.seconds for row in rows if row.seconds > 0), default=None))

    async def running(self) -> Sequence[Pause]:
        """Return the resumed pauses whose canaries run."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(self._queries.list_canaries)
        return [pause_of(row) for row in rows]

    async def news(self, cursor: str | None) -> News:
        """Return what changed since `cursor`, or everything live without one."""
        async with self._database.autocommit() as connection:
            if cursor is None:
                rows = await connection.fetch(self._queries.read_live)
            else:
                rows = await connection.fetch(self._queries.read_news, cursor=cursor)
        pauses = [pause_of(row) for row in rows if row.control_id is not None]
        return News(pauses=pauses, cursor=rows[0].cursor, at=rows[0].at)


class PostgresSnapshots:
    """What checks are answered from, read on the primary only."""

    def __init__(self, database: Database, queries: Queries, replica_id: UUID) -> None:
        self._database = database
        self._queries = queries
        self._replica_id = replica_id

    async def take(self, organizations: Collection[str], sessions: Collection[SessionId] = ()) -> Snapshot:
        """Read with one statement that commits by itself."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(
                self._queries.take_snapshot,
                replica_id=self._replica_id,
                organization_ids=[*{*organizations, PLATFORM}],
                session_ids=list(sessions),
            )
        if not rows or rows[0].is_standby:
            raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database that answered is not the primary")
        concerned = [pause_of(row) for row in rows if row.control_id is not None]
        return Snapshot(
            pauses=[pause for pause in concerned if pause.state.is_live],
            resumed=[pause for pause in concerned if not pause.state.is_live],
            at=rows[0].read_at,
            versions={row.versioned_id: row.organization_version for row in rows},
            ttl_max=rows[0].permit_ttl_max,
            beat=rows[0].beat,
            live_sessions=frozenset(rows[0].live_sessions),
        )


class PostgresHeartbeats:
    """The row that this replica keeps writing, one a lane."""

    def __init__(self, database: Database, queries: Queries, replica_id: UUID) -> None:
        self._database = database
        self._queries = queries
        self._replica_id = replica_id

    async def beat(self, number: int, lane: int) -> None:
        """Write and commit."""
        async with self._database.autocommit() as connection:
            await connection.execute(self._queries.beat, replica_id=self._replica_id, lane=lane, number=number)

    async def forget_old(self) -> None:
        """Delete the rows of replicas that have not beaten for a day."""
        async with self._database.autocommit() as connection:
            await connection.execute(self._queries.forget_heartbeats)
