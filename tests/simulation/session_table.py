"""Executors' sessions and acknowledgements as control's primary keeps them. Decides nothing, knows no executor."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation.database import TTL_MAX, Primary
from tests.simulation.network import Network

from control.application.ports import Endings
from control.domain.pause import State
from kernel.ids import ControlId, SessionId


@dataclass(slots=True, eq=False)
class Row:
    """One session, and which pauses it obeys."""

    executor: str
    lease_until: datetime
    has_ended: bool = False
    obeys: dict[ControlId, None] = field(default_factory=dict)


class SessionTable:
    """Control's port for sessions; each method commits by itself. Who is connected must not matter to it."""

    def __init__(self, primary: Primary, network: Network) -> None:
        self._primary = primary
        self._network = network
        self._server = primary.server
        self.rows: dict[SessionId, Row] = {}

    def live(self, asked: Collection[SessionId]) -> frozenset[SessionId]:
        """Return those that a snapshot taken now shows as live."""
        return frozenset(one for one in asked if one in self.rows and not self.rows[one].has_ended)

    def all_obey(self, control_id: ControlId) -> bool:
        """Tell whether every session there is has acknowledged a pause."""
        return all(control_id in row.obeys for row in self.rows.values())

    async def register(self, session_id: SessionId, executor: str, lease: timedelta) -> bool:
        # Two moments: the statement's snapshot, and the commit that makes the row visible.
        pausing = await self._server.run(lambda: [one for one in self._primary.live() if one.state is State.PAUSING])

        def commit() -> bool:
            if session_id not in self.rows:
                row = self.rows[session_id] = Row(executor, self._primary.clock.now() + lease)
                row.obeys |= {pause.control_id: None for pause in pausing}
                self._server.flushed()
            return not self.rows[session_id].has_ended

        return await self._server.run(commit, writes=True)

    async def acknowledge(
        self, session_id: SessionId, control_ids: Collection[ControlId], lease: timedelta
    ) -> int | None:
        def write() -> int | None:
            row = self.rows.get(session_id)
            if row is None or row.has_ended:
                return None
            found = (self._primary.find(control_id) for control_id in control_ids)
            new = [one.control_id for one in found if one and one.state is State.PAUSING]
            new = [control_id for control_id in new if control_id not in row.obeys]
            before = row.lease_until
            row.lease_until = self._primary.clock.now() + lease
            row.obeys |= dict.fromkeys(new)

            def forget() -> None:
                row.lease_until = before
                for control_id in new:
                    row.obeys.pop(control_id, None)

            self._server.unflushed(forget)
            if new:
                self._primary.notify()
            return len(new)

        return await self._server.run(write, writes=True)

    async def end(self, session_id: SessionId) -> None:
        await self._server.run(lambda: self._delete(session_id), writes=True)

    async def endings(self) -> Endings:
        def look() -> Endings:
            now = self._primary.clock.now()
            return Endings(
                lapsed=any(not row.has_ended and row.lease_until < now for row in self.rows.values()),
                waits={session_id: TTL_MAX for session_id, row in self.rows.items() if row.has_ended},
            )

        return await self._server.run(look)

    async def mark_lapsed(self) -> None:
        def mark() -> None:
            now = self._primary.clock.now()
            for row in self.rows.values():
                row.has_ended = row.has_ended or row.lease_until < now
            self._server.flushed()

        await self._server.run(mark, writes=True)

    async def forget(self, ended: Collection[SessionId]) -> None:
        def delete() -> None:
            for session_id in ended:
                if session_id in self.rows and self.rows[session_id].has_ended:
                    self._delete(session_id)

        await self._server.run(delete, writes=True)

    def _delete(self, session_id: SessionId) -> None:
        self.rows.pop(session_id, None)
        self._server.flushed()
