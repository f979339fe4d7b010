"""The transactions that change pauses: state, version, event and notification in one commit. Knows no rule."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from chassis.database import Database, Queries, Query, Transaction
from chassis.outbox import Outbox
from control.domain.pause import PLATFORM, Pause, State
from control.infrastructure.events import event_of
from control.infrastructure.rows import order_columns, pause_of, state_columns
from kernel.ids import ControlId, OrganizationId
from whatlead.audit.v1 import event_pb2

AUDIT = "audit"


class LostPause(Exception):
    """Tell that a pause was not as it had just been read under its organization's version: a bug."""


class PostgresChange:
    """One transaction that holds an organization's version."""

    def __init__(
        self,
        tx: Transaction,
        queries: Queries,
        organization_id: OrganizationId,
        *,
        version: int,
        platform_version: int,
        now: datetime,
        ttl_max: timedelta,
    ) -> None:
        self._tx = tx
        self._queries = queries
        self._organization_id = organization_id
        self._version = version
        self.platform_version = platform_version
        self.now = now
        self.ttl_max = ttl_max
        self.events: list[bytes] = []

    @property
    def next_version(self) -> int:
        """The version that the next write makes."""
        return self._version + 1

    async def find(self, control_id: ControlId) -> Pause | None:
        """Return a pause of the organization."""
        return await self._one(
            self._queries.find_pauses, organization_ids=[self._organization_id], control_ids=[control_id]
        )

    async def live(self) -> Sequence[Pause]:
        """Return the live pauses of the organization and of the platform."""
        organizations = [*{self._organization_id, PLATFORM}]
        rows = await self._tx.fetch(self._queries.list_live_pauses, organization_ids=organizations)
        return [pause_of(row) for row in rows]

    async def find_ordered(self, *, peer: str, request_id: str) -> Pause | None:
        """Return the pause that a request id already made."""
        return await self._one(
            self._queries.find_ordered_pause,
            organization_id=self._organization_id,
            peer=peer,
            request_id=request_id,
        )

    async def find_lifted(self, request_id: str) -> Sequence[Pause]:
        """Return the pauses that a resume's request id already lifted."""
        rows = await self._tx.fetch(
            self._queries.find_lifted_pauses, organization_id=self._organization_id, request_id=request_id
        )
        return [pause_of(row) for row in rows]

    async def cut_short(self, pause: Pause) -> None:
        """Bring resumptions of the same scope and target that are under way to the full pace."""
        await self._tx.execute(
            self._queries.cut_short_resumptions,
            organization_id=self._organization_id,
            scope=pause.order.scope.value,
            target=pause.order.target,
            now=self.now,
        )

    async def write(self, pause: Pause) -> None:
        """Keep the pause and its version, add its event, and wake those who follow."""
        if pause.state is State.PAUSING:
            touched = await self._tx.execute(self._queries.insert_pause, **order_columns(pause))
        else:
            touched = await self._tx.execute(self._queries.update_pause, **state_columns(pause))
        if touched != 1:
            raise LostPause(f"{pause.control_id} could not become {pause.state}")
        self._version = pause.version
        self.events.append(event_of(pause).SerializeToString())

    async def _one(self, query: Query, **params: object) -> Pause | None:
        row = await self._tx.fetch_one(query, **params)
        return None if row is None else pause_of(row)


class PostgresChanges:
    """Changes on the primary, with their events in the outbox, whose own work has other connections."""

    def __init__(self, database: Database, outbox: Outbox, queries: Queries) -> None:
        self._database = database
        self._outbox = outbox
        self._queries = queries

    @asynccontextmanager
    async def change(self, organization_id: OrganizationId) -> AsyncIterator[PostgresChange]:
        """Begin, wait for the organization's version, and commit at the end of the block."""
        parcel = None
        async with self._database.transaction() as tx:
            held = await tx.fetch_one(self._queries.hold_version, organization_id=organization_id)
            if held is None:
                raise LostPause("the permit limit has no row")
            change = PostgresChange(
                tx,
                self._queries,
                organization_id,
                version=held.version,
                platform_version=held.platform_version,
                now=held.now,
                ttl_max=held.ttl_max,
            )
            yield change
            if change.events:
                payload = event_pb2.RecordEventsRequest(events=change.events).SerializeToString()
                parcel = await self._outbox.put(tx, receiver=AUDIT, payload=payload, items=len(change.events))
        if parcel is not None:
            self._outbox.send(parcel)
