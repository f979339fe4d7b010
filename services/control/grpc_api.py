"""Answer control's calls: translate, ask the use case, translate back. Decides nothing and knows no table."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol
from uuid import UUID

import grpc

from chassis import paging
from chassis.identity import Peer, current_caller, current_identity
from chassis.interceptors import note
from chassis.telemetry import SECONDS, meter
from control.application.checking import Checks
from control.application.pausing import Wait
from control.application.ports import Seen
from control.application.resuming import Lift, Lifted
from control.application.sessions import LEASE, Sessions
from control.application.watching import Watch
from control.domain.authority import Caller, Requester, Wish, visible_to
from control.domain.coverage import Coverage, Sending
from control.domain.etag import Etag
from control.domain.pace import rate_factor
from control.domain.pause import PLATFORM
from control.domain.work import BlastRadius
from control.infrastructure.postgres import Filter, PostgresPauses, PostgresSnapshots
from control.wire import (
    SCOPES,
    WAITS,
    caller_of,
    check_response,
    preview_response,
    requester_of,
    seen_control,
    watch_message,
    wish_of,
)
from control.wire_resuming import lift_of
from kernel.errors import Violation, invalid, not_found
from kernel.ids import ControlId, OrganizationId, SessionId
from whatlead.control.v1 import control_pb2, control_pb2_grpc

DEFAULT_PAGE = 50

_checked = meter.create_counter("whatlead.control.scopes.checked", description="Scopes checked, by verdict.")
_fence_seconds = meter.create_histogram(
    "whatlead.control.fence.duration",
    unit="s",
    description="From a pause's commit to its fence, as answered to Pause.",
    explicit_bucket_boundaries_advisory=SECONDS,
)

_EXECUTOR = Peer(service="executor")

Context = grpc.aio.ServicerContext[Any, Any]


class PauseUse(Protocol):
    """Commit a pause and wait for its fence."""

    def __call__(self, wish: Wish, requester: Requester, wait: Wait) -> Awaitable[Seen]: ...


PreviewUse = Callable[[Wish, Requester], Awaitable[BlastRadius]]
ResumeUse = Callable[[Lift, Caller], Awaitable[Lifted]]


class ControlApi(control_pb2_grpc.ControlServiceServicer):
    """ControlService."""

    def __init__(
        self,
        *,
        pause: PauseUse,
        preview: PreviewUse,
        resume: ResumeUse,
        pauses: PostgresPauses,
        snapshots: PostgresSnapshots,
        checks: Checks,
        sessions: Sessions,
        watch: Watch,
    ) -> None:
        self._pause = pause
        self._preview = preview
        self._resume = resume
        self._pauses = pauses
        self._snapshots = snapshots
        self._checks = checks
        self._sessions = sessions
        self._watch = watch

    async def Pause(  # noqa: N802
        self, request: control_pb2.PauseRequest, context: Context
    ) -> control_pb2.PauseResponse:
        """Stop sends in a scope, or say which would be stopped."""
        if request.validate_only:
            return preview_response(await self._preview(wish_of(request), requester_of(current_identity())))
        seen = await self._pause(wish_of(request), requester_of(current_identity()), WAITS[request.wait])
        found = seen.pause
        note(control_id=str(found.control_id), state=found.state.value)
        if found.fenced_at is not None:
            _fence_seconds.record((found.fenced_at - found.created_at).total_seconds())
        return control_pb2.PauseResponse(control=seen_control(seen))

    async def Resume(  # noqa: N802
        self, request: control_pb2.ResumeRequest, context: Context
    ) -> control_pb2.ResumeResponse:
        """Lift pauses."""
        lift = lift_of(request)
        lifted = await self._resume(lift, caller_of(current_caller()))
        note(control_id=str(lift.control_ids[0]), lifted=len(lifted.pauses), remaining=len(lifted.remaining))
        controls = list(map(seen_control, lifted.pauses))
        return control_pb2.ResumeResponse(
            control=controls[0], controls=controls, remaining=map(seen_control, lifted.remaining)
        )

    async def GetExecutionControl(  # noqa: N802
        self, request: control_pb2.GetExecutionControlRequest, context: Context
    ) -> control_pb2.GetExecutionControlResponse:
        """Return one pause."""
        found = await self._pauses.read([_id(request.control_id)], _own())
        if not found:
            raise not_found(f"the pause {request.control_id}")
        return control_pb2.GetExecutionControlResponse(control=seen_control(found[0]))

    async def ListExecutionControls(  # noqa: N802
        self, request: control_pb2.ListExecutionControlsRequest, context: Context
    ) -> control_pb2.ListExecutionControlsResponse:
        """List the organization's pauses and the platform's, newest first."""
        organization_id = current_caller().organization_id
        bound_to = _filter_of(request)
        before = None
        if request.page_token:
            position = paging.decode(request.page_token, organization_id=organization_id, filter=bound_to)
            before = ControlId(UUID(position))
        size = request.page_size or DEFAULT_PAGE
        asked = Filter(
            organizations=_own(), live_only=request.live_only, scope=SCOPES.get(request.scope), target=request.target
        )
        found = await self._pauses.page(asked, before=before, count=size + 1)
        response = control_pb2.ListExecutionControlsResponse(controls=map(seen_control, found[:size]))
        if len(found) > size:
            response.next_page_token = paging.encode(
                organization_id=organization_id, filter=bound_to, position=str(found[size - 1].pause.control_id)
            )
        return response

    async def GetEffectiveState(  # noqa: N802
        self, request: control_pb2.GetEffectiveStateRequest, context: Context
    ) -> control_pb2.GetEffectiveStateResponse:
        """Say which live pauses cover an instance and campaign of the organization."""
        organization_id = current_caller().organization_id
        snapshot = await self._snapshots.take({organization_id})
        sending = Sending(organization_id, request.instance_id, request.campaign_id)
        covering = Coverage(snapshot.pauses).of(sending)
        etag = Etag(
            organization_version=snapshot.versions.get(organization_id, 0),
            platform_version=snapshot.versions.get(PLATFORM, 0),
        )
        return control_pb2.GetEffectiveStateResponse(
            status=control_pb2.EXECUTION_STATUS_PAUSED if covering else control_pb2.EXECUTION_STATUS_ACTIVE,
            controls=[seen_control(Seen(pause=pause, etag=etag, at=snapshot.at)) for pause in covering],
            organization_version=etag.organization_version,
            platform_version=etag.platform_version,
            etag=str(etag),
            rate_factor=0 if covering else rate_factor(Coverage(snapshot.resumed), sending, snapshot.at),
        )

    async def WatchExecutionControls(  # noqa: N802
        self, request: control_pb2.WatchExecutionControlsRequest, context: Context
    ) -> AsyncIterator[control_pb2.WatchExecutionControlsResponse]:
        """Stream what is live, then each change."""
        async with aclosing(self._watch.follow(visible_to(requester_of(current_identity())))) as messages:
            async for message in messages:
                yield watch_message(message)

    async def CheckExecutions(  # noqa: N802
        self, request: control_pb2.CheckExecutionsRequest, context: Context
    ) -> control_pb2.CheckExecutionsResponse:
        """Say whether sends may begin."""
        sendings = [Sending(one.organization_id, one.instance_id, one.campaign_id) for one in request.scopes]
        verdicts = await self._checks.check(sendings, _session_of(request))
        paused = sum(map(bool, verdicts.covering))
        note(scopes=len(sendings), paused=paused)
        _checked.add(len(sendings) - paused, {"verdict": "allowed"})
        _checked.add(paused, {"verdict": "paused"})
        return check_response(sendings, verdicts)

    async def RegisterSession(  # noqa: N802
        self, request: control_pb2.RegisterSessionRequest, context: Context
    ) -> control_pb2.RegisterSessionResponse:
        """Make an executor known."""
        await self._sessions.register(SessionId(UUID(request.session_id)), request.executor)
        note(session_id=request.session_id, executor=request.executor)
        response = control_pb2.RegisterSessionResponse()
        response.lease.FromTimedelta(LEASE)
        return response

    async def AcknowledgePauses(  # noqa: N802
        self, request: control_pb2.AcknowledgePausesRequest, context: Context
    ) -> control_pb2.AcknowledgePausesResponse:
        """Extend a session and keep which pauses it obeys."""
        note(session_id=request.session_id, pauses=len(request.control_ids))
        await self._sessions.acknowledge(SessionId(UUID(request.session_id)), list(map(_id, request.control_ids)))
        response = control_pb2.AcknowledgePausesResponse()
        response.lease.FromTimedelta(LEASE)
        return response

    async def EndSession(  # noqa: N802
        self, request: control_pb2.EndSessionRequest, context: Context
    ) -> control_pb2.EndSessionResponse:
        """Forget a session."""
        note(session_id=request.session_id)
        await self._sessions.end(SessionId(UUID(request.session_id)))
        return control_pb2.EndSessionResponse()


def _session_of(request: control_pb2.CheckExecutionsRequest) -> SessionId | None:
    """Return the session that is to hold the permits: an executor's; the gate asks for none."""
    if (current_identity() == _EXECUTOR) != bool(request.session_id):
        raise invalid(Violation(field="session_id", description="an executor names its session, nobody else has one"))
    return SessionId(UUID(request.session_id)) if request.session_id else None


def _id(text: str) -> ControlId:
    return ControlId(UUID(text))


def _own() -> frozenset[OrganizationId]:
    """Return whose pauses the caller may see."""
    return frozenset((OrganizationId(current_caller().organization_id), PLATFORM))


def _filter_of(request: control_pb2.ListExecutionControlsRequest) -> bytes:
    """Return what a page token is bound to."""
    asked = control_pb2.ListExecutionControlsRequest()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.ClearField("page_size")
    return asked.SerializeToString(deterministic=True)
