"""Ask control and listen to it over gRPC, at whichever replica answers. What is not understood counts as a refusal."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from uuid import UUID

from chassis.replicas import Replicas
from executor.application.ports import (
    Allowed,
    Answer,
    Answers,
    Canary,
    Heartbeat,
    PauseBegan,
    Paused,
    PauseEnded,
    Snapshot,
    Told,
    Unclear,
)
from executor.domain.job import Scope
from executor.domain.pauses import Pause, PauseScope
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2, control_pb2_grpc

_LIVE = (control_pb2.ControlState.CONTROL_STATE_PAUSING, control_pb2.ControlState.CONTROL_STATE_FENCED)
_SCOPES = {control_pb2.Scope.Value(f"SCOPE_{scope.value}"): scope for scope in PauseScope}


class GrpcControl:
    """Control's replicas, through their internal listeners. Each call is given `timeout` seconds."""

    def __init__(self, stubs: "Sequence[control_pb2_grpc.ControlServiceAsyncStub]", *, timeout: float) -> None:
        self._replicas = Replicas(stubs)
        self._watched = Replicas(stubs)
        self._timeout = timeout

    async def check(self, scopes: Sequence[Scope], *, session_id: UUID) -> Answers:
        """Return control's answers, or raise `Failure` if it did not give them in time or not one a scope."""
        request = control_pb2.CheckExecutionsRequest(
            scopes=[
                control_pb2.ExecutionScope(
                    organization_id=scope.organization_id,
                    instance_id=scope.instance_id,
                    campaign_id=scope.campaign_id,
                )
                for scope in scopes
            ],
            session_id=str(session_id),
        )
        response = await self._replicas.call(
            lambda stub, seconds: stub.CheckExecutions(request, timeout=seconds), timeout=self._timeout
        )
        if len(response.answers) != len(scopes):
            raise Failure(Kind.UNAVAILABLE, "CONTROL_UNREACHABLE", "control did not answer for every scope")
        return Answers(
            answers=tuple(_answer(answer) for answer in response.answers),
            ttl=response.ttl.seconds + response.ttl.nanos / 1e9,
            platform_version=response.platform_version,
        )

    async def register(self, session_id: UUID, executor: str) -> None:
        """Begin a session."""
        request = control_pb2.RegisterSessionRequest(session_id=str(session_id), executor=executor)
        await self._replicas.call(
            lambda stub, seconds: stub.RegisterSession(request, timeout=seconds), timeout=self._timeout
        )

    async def acknowledge(self, session_id: UUID, control_ids: Sequence[UUID]) -> None:
        """Extend the session and say which pauses are obeyed."""
        request = control_pb2.AcknowledgePausesRequest(session_id=str(session_id), control_ids=map(str, control_ids))
        await self._replicas.call(
            lambda stub, seconds: stub.AcknowledgePauses(request, timeout=seconds), timeout=self._timeout
        )

    async def end(self, session_id: UUID) -> None:
        """Say that nothing begins under the session any more."""
        request = control_pb2.EndSessionRequest(session_id=str(session_id))
        await self._replicas.call(
            lambda stub, seconds: stub.EndSession(request, timeout=seconds), timeout=self._timeout
        )

    async def watch(self) -> AsyncIterator[Told]:
        """Give what the next replica streams; what the executor does not know is passed over."""
        async for response in self._watched.next().WatchExecutionControls(control_pb2.WatchExecutionControlsRequest()):
            match response.WhichOneof("message"):
                case "snapshot":
                    pauses = (_pause(control) for control in response.snapshot.controls if control.state in _LIVE)
                    yield Snapshot(pauses=tuple(pause for pause in pauses if pause is not None))
                case "change":
                    told = _changed(response.change)
                    if told is not None:
                        yield told
                case _:
                    yield Heartbeat()


def _answer(answer: control_pb2.ScopeAnswer) -> Answer:
    match answer.WhichOneof("answer"):
        case "allowed":
            return _allowed(answer.allowed, answer.organization_version)
        case "paused":
            paused = answer.paused
            until = paused.paused_until.ToDatetime(UTC) if paused.HasField("paused_until") else None
            try:
                ids = tuple(UUID(control_id) for control_id in paused.control_ids)
            except ValueError:
                return Unclear()
            return Paused(control_ids=ids, reason=paused.reason, paused_until=until) if ids else Unclear()
        case _:
            return Unclear()


def _allowed(allowed: control_pb2.Allowed, control_version: int) -> Allowed | Unclear:
    if not 0 < allowed.rate_factor <= 1:
        return Unclear()
    canary = None
    if allowed.HasField("canary"):
        try:
            canary = Canary(control_id=UUID(allowed.canary.control_id), sends=allowed.canary.sends)
        except ValueError:
            return Unclear()
    return Allowed(rate_factor=allowed.rate_factor, control_version=control_version, canary=canary)


def _changed(control: control_pb2.ExecutionControl) -> Told | None:
    pause = _pause(control)
    if pause is None:
        return None
    return PauseBegan(pause=pause) if control.state in _LIVE else PauseEnded(control_id=pause.control_id)


def _pause(control: control_pb2.ExecutionControl) -> Pause | None:
    scope = _SCOPES.get(control.scope)
    if scope is None:
        return None
    try:
        control_id = UUID(control.control_id)
    except ValueError:
        return None
    return Pause(
        control_id=control_id,
        scope=scope,
        organization_id=control.organization_id,
        target=control.target,
        version=control.version,
        pausing=control.state == control_pb2.ControlState.CONTROL_STATE_PAUSING,
    )
