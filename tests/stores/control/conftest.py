"""Control's adapters on a fresh database each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from tests.postgres import Databases
from tests.unit.control.memory import order

from chassis.database import Database, load_queries
from chassis.outbox import Outbox, Receiver, Refusal
from control.domain.pause import Pause
from control.infrastructure.changes import AUDIT, PostgresChanges
from control.infrastructure.postgres import PostgresHeartbeats, PostgresPauses, PostgresSnapshots
from control.infrastructure.sessions import PostgresSessions
from kernel.ids import ControlId, uuid7
from whatlead.audit.v1 import event_pb2

REPLICA = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


async def eventually(holds: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Return as soon as `holds`, or fail."""
    for _ in range(int(seconds / 0.01)):
        if await holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never held")


async def _nowhere(payload: bytes) -> Sequence[Refusal]:
    raise OSError("audit is down")


def _whole(payload: bytes) -> Iterable[tuple[str, bytes]]:
    return [("all", payload)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One replica's adapters."""

    url: str
    database: Database
    changes: PostgresChanges
    pauses: PostgresPauses
    snapshots: PostgresSnapshots
    heartbeats: PostgresHeartbeats
    sessions: PostgresSessions

    async def pause(self, **values: object) -> Pause:
        """Commit a pause."""
        made = order(**values)
        async with self.changes.change(made.organization_id) as change:
            begun = Pause.begin(
                made,
                control_id=ControlId(uuid7()),
                version=change.next_version,
                ttl_max=change.ttl_max,
                at=change.now,
            )
            await change.write(begun)
        return begun

    async def events(self) -> list[event_pb2.OperationalEvent]:
        """Return what waits for audit."""
        async with self.database.transaction() as tx:
            rows = await tx.connection.fetch("SELECT payload FROM outbox ORDER BY created_at, parcel_id")
        requests = [event_pb2.RecordEventsRequest.FromString(row.payload) for row in rows]
        return [event_pb2.OperationalEvent.FromString(event) for request in requests for event in request.events]


def store_on(database: Database, url: str) -> Store:
    """Return the adapters on one connected database."""
    queries = load_queries("control")
    outbox = Outbox(database, [Receiver(name=AUDIT, deliver=_nowhere, split=_whole)])
    return Store(
        url=url,
        database=database,
        changes=PostgresChanges(database, outbox, queries),
        pauses=PostgresPauses(database, queries),
        snapshots=PostgresSnapshots(database, queries, REPLICA),
        heartbeats=PostgresHeartbeats(database, queries, REPLICA),
        sessions=PostgresSessions(database, queries),
    )


@pytest.fixture
async def store(databases: Databases) -> Store:
    url = await databases.url("control")
    return store_on(databases.connect(url), url)
