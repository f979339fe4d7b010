"""The control service of the contracts, with a servicer that a test scripts, running on random ports."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.serving import RunningServer, running

from chassis.serving import Registration
from whatlead.control.v1 import control_pb2, control_pb2_grpc


@dataclass(slots=True)
class Script(control_pb2_grpc.ControlServiceServicer):
    """Answers GetEffectiveState, CheckExecutions and Pause with `unary`, and the watch with `stream`."""

    unary: Callable[[Any], Awaitable[Any]] | None = None
    stream: Callable[[Any], AsyncIterator[Any]] | None = None
    seen: list[Any] = field(default_factory=list)

    async def GetEffectiveState(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        return await self.unary(request) if self.unary else control_pb2.GetEffectiveStateResponse()

    async def CheckExecutions(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        return await self.unary(request) if self.unary else control_pb2.CheckExecutionsResponse()

    async def Pause(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        return await self.unary(request) if self.unary else control_pb2.PauseResponse()

    async def WatchExecutionControls(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        assert self.stream is not None
        async for response in self.stream(request):
            yield response


def registration(script: Script, *, priority: Sequence[str] = ()) -> Registration:
    return Registration(
        descriptor=control_pb2.DESCRIPTOR.services_by_name["ControlService"],
        servicer=script,
        add=control_pb2_grpc.add_ControlServiceServicer_to_server,
        priority=priority,
    )


@pytest.fixture
def script() -> Script:
    return Script()  # type: ignore[abstract]


@pytest.fixture
async def server(script: Script) -> AsyncIterator[RunningServer]:
    async with running([registration(script)], service="control") as server:
        yield server
