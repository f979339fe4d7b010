"""The executor's ports towards control over the simulated network: the choice of a replica is the one in production.

Says control's answers in the executor's words, as the wire does. Decides nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from tests.simulation.control_process import ControlProcess
from tests.simulation.network import Network

from chassis.replicas import Replicas
from control.application.checking import Verdicts
from control.application.watching import Beat, Changed, Live, Message
from control.domain.coverage import Sending, ends_at
from control.domain.pause import Pause as ControlPause
from control.domain.pause import State
from executor.application.ports import (
    Allowed,
    Answer,
    Answers,
    Heartbeat,
    PauseBegan,
    Paused,
    PauseEnded,
    Snapshot,
    Told,
)
from executor.domain.job import Scope
from executor.domain.pauses import Pause, PauseScope
from kernel.ids import ControlId, SessionId

T = TypeVar("T")
CALL_SECONDS = 0.4


class ControlLink:
    """Checks, sessions and the watch of one executor. `controls` changes as they are started anew."""

    def __init__(self, network: Network, controls: Sequence[ControlProcess]) -> None:
        self._network = network
        self._controls = controls
        self._asked = Replicas(range(len(controls)))
        self._watched = Replicas(range(len(controls)))

    async def check(self, scopes: Sequence[Scope], *, session_id: UUID) -> Answers:
        sendings = [Sending(*scope) for scope in scopes]
        verdicts = await self._call(lambda control: control.checks.check(sendings, SessionId(session_id)))
        return answers_of(scopes, verdicts)

    async def register(self, session_id: UUID, executor: str) -> None:
        await self._call(lambda control: control.sessions.register(SessionId(session_id), executor))

    async def acknowledge(self, session_id: UUID, control_ids: Sequence[UUID]) -> None:
        named = [ControlId(control_id) for control_id in control_ids]
        await self._call(lambda control: control.sessions.acknowledge(SessionId(session_id), named))

    async def end(self, session_id: UUID) -> None:
        await self._call(lambda control: control.sessions.end(SessionId(session_id)))

    async def watch(self) -> AsyncIterator[Told]:
        control = self._controls[self._watched.next()]
        async for message in self._network.stream(control.process, lambda: self._follow(control)):
            yield told_of(message)

    def _follow(self, control: ControlProcess) -> AsyncGenerator[Message, None]:
        return control.watch.follow(None)

    async def _call(self, ask: Callable[[ControlProcess], Awaitable[T]]) -> T:
        async def ask_one(place: int, seconds: float) -> T:
            control = self._controls[place]
            return await self._network.call(control.process, lambda: ask(control), deadline=seconds)

        return await self._asked.call(ask_one, timeout=CALL_SECONDS)


def answers_of(scopes: Sequence[Scope], verdicts: Verdicts) -> Answers:
    """Return a check's answer in the executor's words."""
    versions = verdicts.snapshot.versions
    answers: list[Answer] = []
    for scope, covering, pace in zip(scopes, verdicts.covering, verdicts.paces, strict=True):
        if covering:
            answers.append(
                Paused(
                    control_ids=tuple(pause.control_id for pause in covering),
                    reason=covering[0].order.reason,
                    paused_until=ends_at(covering),
                )
            )
        else:
            version = versions.get(scope.organization_id, 0)
            answers.append(Allowed(rate_factor=pace.rate_factor, control_version=version))
    return Answers(answers=tuple(answers), ttl=verdicts.ttl.total_seconds(), platform_version=versions.get("", 0))


def told_of(message: Message) -> Told:
    """Return a watch's message in the executor's words."""
    match message:
        case Live():
            return Snapshot(pauses=tuple(map(_pause_of, message.pauses)))
        case Changed(pause=pause):
            if pause.state.is_live:
                return PauseBegan(pause=_pause_of(pause))
            return PauseEnded(control_id=pause.control_id)
        case Beat():
            return Heartbeat()


def _pause_of(pause: ControlPause) -> Pause:
    order = pause.order
    return Pause(
        control_id=pause.control_id,
        scope=PauseScope(order.scope.value),
        organization_id=order.organization_id,
        target=order.target,
        version=pause.version,
        pausing=pause.state is State.PAUSING,
    )
