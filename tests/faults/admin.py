"""Pause and resume through any replica that answers, and note when. Knows no fault."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from tests.faults.load import Lane, boottime
from tests.faults.system import CONTROLS, Testbed

from chassis.clients import public_channel
from console.pki import mint_token
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2
from whatlead.control.v1.control_pb2_grpc import ControlServiceStub

Answer = TypeVar("Answer")
_AGAIN = (Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED, Kind.INTERNAL)
_LONGEST_SECONDS = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is paused. Empty for all of an organization."""

    organization: str
    instance: str = ""
    campaign: str = ""

    def covers(self, lane: Lane) -> bool:
        """Tell whether a lane's sends are in scope."""
        return (
            self.organization == lane.organization
            and self.instance in ("", lane.instance)
            and self.campaign in ("", lane.campaign)
        )

    def request(self, request_id: str) -> control_pb2.PauseRequest:
        """Return the request for a pause of it."""
        scope = control_pb2.SCOPE_INSTANCE if self.instance else control_pb2.SCOPE_ORGANIZATION
        scope = control_pb2.SCOPE_CAMPAIGN if self.campaign else scope
        target = self.campaign or self.instance
        return control_pb2.PauseRequest(request_id=request_id, scope=scope, target=target, reason="a test of the fence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """A pause that was answered FENCED. Boot-time seconds; `committed_at` and `fenced_at` are the database's."""

    target: Target
    control: control_pb2.ExecutionControl
    asked_at: float
    committed_at: float
    fenced_at: float
    answered_at: float
    tries: int


class Admin:
    """An owner of one organization, with a channel to each replica of control."""

    def __init__(self, stubs: "Sequence[ControlServiceStub]") -> None:
        self._stubs = list(stubs)

    async def pause(self, target: Target, *, timeout: float = 4.0) -> Fenced:
        """Pause until it is fenced; where a call fails the same request goes to the other replica."""
        request = target.request(str(uuid4()))
        asked_at = boottime()
        response, tries = await self._anywhere(lambda stub: stub.Pause(request, timeout=timeout))
        answered_at = boottime()
        control = response.control
        assert control.state == control_pb2.CONTROL_STATE_FENCED, control
        ahead = time.time() - boottime()
        return Fenced(
            target=target,
            control=control,
            asked_at=asked_at,
            committed_at=control.create_time.ToDatetime(UTC).timestamp() - ahead,
            fenced_at=control.fenced_at.ToDatetime(UTC).timestamp() - ahead,
            answered_at=answered_at,
            tries=tries,
        )

    async def resume(self, fenced: Fenced) -> float:
        """Resume at once, without a ramp; return when the request that lifted the pause was first made."""
        control_id, etag = fenced.control.control_id, fenced.control.etag
        while True:
            request = control_pb2.ResumeRequest(
                request_id=str(uuid4()),
                control_ids=[control_id],
                etag=etag,
                reason="the test goes on",
                immediate=control_pb2.Immediate(),
            )
            asked_at = boottime()
            try:
                await self._anywhere(lambda stub, request=request: stub.Resume(request, timeout=4.0))
                return asked_at
            except Failure as failure:
                if failure.reason != "ETAG_MISMATCH":
                    raise
            look = control_pb2.GetExecutionControlRequest(control_id=control_id)
            found, _ = await self._anywhere(lambda stub, look=look: stub.GetExecutionControl(look, timeout=4.0))
            etag = found.control.etag

    async def _anywhere(self, call: Callable[[ControlServiceStub], Awaitable[Answer]]) -> tuple[Answer, int]:
        deadline, tries = boottime() + _LONGEST_SECONDS, 0
        while True:
            tries += 1
            try:
                return await call(self._stubs[0]), tries
            except Failure as failure:
                if failure.kind not in _AGAIN or boottime() > deadline:
                    raise
                self._stubs.reverse()
                await asyncio.sleep(0.02)


@asynccontextmanager
async def administering(testbed: Testbed, organization: str) -> AsyncIterator[Admin]:
    """Act as an owner of `organization`."""
    system = testbed.system
    token = mint_token(system.data_dir, subject="admin", organization_id=organization)
    async with AsyncExitStack() as stack:
        stubs = []
        for number in range(1, len(CONTROLS) + 1):
            target = f"localhost:{system.ports.public('control', number)}"
            channel = public_channel(target, ca_file=Path(system.connection.ca_file), token=token)
            stubs.append(ControlServiceStub(await stack.enter_async_context(channel)))
        yield Admin(stubs)
