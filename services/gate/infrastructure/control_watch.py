"""Follow control's stream of pauses and tell what is live and when a pause ended. Judges nothing by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog

from chassis.replicas import Replicas
from gate.application.paused_scopes import LivePause, PausedScopes, PauseScope
from gate.infrastructure.control import pause_of
from kernel.errors import Failure
from whatlead.control.v1 import control_pb2, control_pb2_grpc

_RECONNECT_SECONDS = 0.5
_log = structlog.get_logger("gate.control")
_LIVE = (control_pb2.CONTROL_STATE_PAUSING, control_pb2.CONTROL_STATE_FENCED)
_SCOPES = {control_pb2.Scope.Value(f"SCOPE_{scope}"): scope for scope in PauseScope}


class ControlWatch:
    """Keeps PausedScopes up to date; while the stream is broken nothing counts as known to be paused."""

    def __init__(
        self,
        stubs: Sequence[control_pb2_grpc.ControlServiceAsyncStub],
        *,
        paused: PausedScopes,
        ended: Callable[[], None],
    ) -> None:
        self._replicas = Replicas(stubs)
        self._paused = paused
        self._ended = ended
        self._told = False

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`, opening the stream anew when it breaks."""
        while not stop.is_set():
            following = asyncio.create_task(self._follow(), name="control.follow")
            stopping = asyncio.create_task(stop.wait(), name="control.stop")
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (following, stopping):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            self._paused.replace({})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RECONNECT_SECONDS)

    async def _follow(self) -> None:
        try:
            stub = self._replicas.next()
            async for response in stub.WatchExecutionControls(control_pb2.WatchExecutionControlsRequest()):
                self._take(response)
        except Failure as failure:
            if not self._told:
                _log.warning("control.watch_broken", reason=failure.reason)
            self._told = True

    def _take(self, response: control_pb2.WatchExecutionControlsResponse) -> None:
        match response.WhichOneof("message"):
            case "snapshot":
                self._told = False
                controls = response.snapshot.controls
                self._paused.replace({control.control_id: _pause(control) for control in controls})
                self._ended()
            case "change" if response.change.state in _LIVE:
                self._paused.begin(response.change.control_id, _pause(response.change))
            case "change":
                self._paused.end(response.change.control_id)
                self._ended()
            case _:
                pass


def _pause(control: control_pb2.ExecutionControl) -> LivePause:
    return LivePause(
        scope=_SCOPES[control.scope],
        organization_id=control.organization_id,
        target=control.target,
        pause=pause_of(control, [control.control_id]),
    )
