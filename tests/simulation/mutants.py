"""Wrong variants of the protocol, each a replaced part of the simulation: a checker that misses one proves nothing."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from tests.simulation.control_link import ControlLink
from tests.simulation.control_process import ControlParts, ControlProcess
from tests.simulation.executor_process import ExecutorParts
from tests.simulation.loop import current_process
from tests.simulation.session_table import SessionTable
from tests.simulation.world import Parts

from control.application.checking import Checks
from control.application.fencing import FenceLoop
from control.application.watching import Message
from control.domain.fence import FenceRule
from control.domain.pause import Pause
from executor.application import dispatch
from executor.application.ports import Allowed, Answers
from executor.application.sending import Sender
from executor.domain.job import Scope, TakenJob
from executor.domain.permit import Permit
from executor.domain.revocations import Revocations
from kernel.errors import Failure
from kernel.ids import ControlId, SessionId


def _permit_from_receipt(*, asked_at: float, ttl: float, guard: float) -> Permit:
    return Permit(asked_at=current_process().clock.boottime(), ttl=ttl, guard=guard)


class EndlessPermit(Permit):
    """A check without an expiry."""

    def holds(self, now: float) -> bool:
        return True


class JoiningChecks(Checks):
    """Lets a call join a query that runs already; each asks about all that was ever asked, so that any call fits."""

    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self._joinable: Any = None
        self._sessions: dict[SessionId, None] = {}
        self._organizations: dict[str, None] = {}

    async def _fresh(self, organizations: Iterable[str], session_id: SessionId | None) -> Any:
        wanted = set(organizations)
        self._organizations |= dict.fromkeys(sorted(wanted))
        if session_id is not None:
            self._sessions[session_id] = None
        running = self._joinable
        if running is not None and wanted <= running.organizations and session_id in running.sessions:
            return await asyncio.shield(running.answer)
        return await super()._fresh(wanted, session_id)

    async def _answer(self, asked: Any) -> None:
        asked.sessions.update(self._sessions)
        asked.organizations.update(self._organizations)
        self._joinable = asked
        try:
            await super()._answer(asked)
        finally:
            if self._joinable is asked:
                self._joinable = None


class OpenLink(ControlLink):
    """Takes silence for a yes."""

    async def check(self, scopes: Sequence[Scope], *, session_id: UUID) -> Answers:
        try:
            return await super().check(scopes, session_id=session_id)
        except Failure:
            allowed = Allowed(rate_factor=1.0, control_version=1 << 40)
            return Answers(answers=(allowed,) * len(scopes), ttl=0.5, platform_version=1 << 40)


class Forgetful(Revocations):
    """Takes an old answer after the acknowledgement."""

    def revoked(self, scope: Scope, *, control_version: int, platform_version: int) -> bool:
        return False


class DisconnectingLink(ControlLink):
    """Has control end the session when the stream ends."""

    _session_id = SessionId(UUID(int=0))

    async def register(self, session_id: UUID, executor: str) -> None:
        await super().register(session_id, executor)
        self._session_id = SessionId(session_id)

    async def _follow(self, control: ControlProcess) -> AsyncGenerator[Message, None]:
        try:
            async with aclosing(control.watch.follow(None)) as messages:
                async for message in messages:
                    yield message
        finally:
            control.process.start(control.sessions.end(self._session_id), "end")


class ConnectedTable(SessionTable):
    """Waits for the acknowledgements of those only who are connected right now."""

    def all_obey(self, control_id: ControlId) -> bool:
        connected = (row for row in self.rows.values() if self._network.is_connected(row.executor))
        return all(control_id in row.obeys for row in connected)


class HastyFences(FenceLoop):
    """Answers a repeated Pause at once."""

    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self._new: dict[ControlId, None] = {}

    def committed(self, pause: Pause) -> None:
        self._new[pause.control_id] = None
        super().committed(pause)

    async def settled(self, pause: Pause) -> Pause:
        if pause.control_id not in self._new:
            return pause
        del self._new[pause.control_id]
        return await super().settled(pause)


class EarlyCheckOnly(Sender):
    """Trusts the check that was made before the take: nothing is looked at when the request leaves."""

    async def send(self, taken: TakenJob, permit: Permit, **rest: Any) -> None:
        endless = EndlessPermit(asked_at=permit.asked_at, ttl=permit.ttl, guard=permit.guard)
        await replace(self, revocations=Forgetful()).really_send(taken, endless, **rest)

    async def really_send(self, taken: TakenJob, permit: Permit, **rest: Any) -> None:
        await super().send(taken, permit, **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortRule(FenceRule):
    """Waits 60 % of W."""

    def wait(self, ttl_max: Any) -> float:
        return 0.6 * FenceRule.wait(self, ttl_max)


MUTANTS: dict[str, Parts] = {
    "permit valid from receipt": Parts(patches=((dispatch, "Permit", _permit_from_receipt),)),
    "check without expiry": Parts(patches=((dispatch, "Permit", EndlessPermit),)),
    "join a running query": Parts(control=ControlParts(checks=JoiningChecks)),
    "fail open": Parts(executor=ExecutorParts(link=OpenLink)),
    "retry of Pause answered at once": Parts(control=ControlParts(fences=HastyFences)),
    "check before the commit only": Parts(executor=ExecutorParts(sender=EarlyCheckOnly)),
    "old answer accepted after the ack": Parts(executor=ExecutorParts(revocations=Forgetful)),
    "session ended by disconnect": Parts(executor=ExecutorParts(link=DisconnectingLink)),
    "acks of the connected only": Parts(sessions=ConnectedTable),
    "W shortened to 60 %": Parts(control=ControlParts(rule=ShortRule())),
}

# These break only where a pause, a slow answer and a broken stream meet: `make sim` has the seeds for them.
RARE = ("permit valid from receipt", "join a running query", "session ended by disconnect")
