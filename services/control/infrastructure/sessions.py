"""Executors' sessions and acknowledgements on PostgreSQL, each method a commit of its own. Knows no rule."""

from collections.abc import Collection
from datetime import timedelta

from chassis.database import Database, Queries
from control.application.ports import Endings
from kernel.ids import ControlId, SessionId


class PostgresSessions:
    """The primary's sessions."""

    def __init__(self, database: Database, queries: Queries) -> None:
        self._database = database
        self._queries = queries

    async def register(self, session_id: SessionId, executor: str, lease: timedelta) -> bool:
        """Keep a session for good, and with it that it obeys what is PAUSING. False if it is over already."""
        async with self._database.autocommit() as connection:
            new = await connection.fetch_one(
                self._queries.register_session, session_id=session_id, executor=executor, lease=lease
            )
            known = new or await connection.fetch_one(self._queries.find_live_session, session_id=session_id)
        return known is not None

    async def acknowledge(
        self, session_id: SessionId, control_ids: Collection[ControlId], lease: timedelta
    ) -> int | None:
        """Extend the lease and return how many acknowledgements are new; None if the session is over."""
        async with self._database.autocommit() as connection:
            row = await connection.fetch_one(
                self._queries.acknowledge_pauses, session_id=session_id, control_ids=list(control_ids), lease=lease
            )
        return None if row is None else row.acknowledged

    async def end(self, session_id: SessionId) -> None:
        """Delete a session that begins nothing any more."""
        async with self._database.autocommit() as connection:
            await connection.execute(self._queries.end_session, session_id=session_id)

    async def endings(self) -> Endings:
        """Return the sessions that have ended or whose lease is over, with the longest permit there is."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(self._queries.list_ending_sessions)
        return Endings(
            lapsed=any(not row.has_ended for row in rows),
            waits={SessionId(row.session_id): row.ttl_max for row in rows if row.has_ended},
        )

    async def mark_lapsed(self) -> None:
        """Mark those whose lease is over as ended: no later snapshot grants them anything."""
        async with self._database.autocommit() as connection:
            await connection.execute(self._queries.mark_lapsed_sessions)

    async def forget(self, ended: Collection[SessionId]) -> None:
        """Delete sessions that are marked as ended."""
        async with self._database.autocommit() as connection:
            await connection.execute(self._queries.forget_ended_sessions, session_ids=list(ended))
