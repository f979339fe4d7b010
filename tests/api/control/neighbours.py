"""Gate and executor as control asks them: they answer what the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.serving import running

from chassis.serving import Registration
from kernel.errors import Failure, Kind
from whatlead.executor.v1 import executor_pb2, executor_pb2_grpc
from whatlead.gate.v1 import gate_pb2, gate_pb2_grpc


@dataclass
class Counted:
    """What the neighbours answer, and what they were asked."""

    intents: list[gate_pb2.WaitingIntents] = field(default_factory=list)
    jobs: list[executor_pb2.WorkingJobs] = field(default_factory=list)
    canary: executor_pb2.CountCanaryResponse = field(default_factory=executor_pb2.CountCanaryResponse)
    asked: list[gate_pb2.CountWorkRequest | executor_pb2.CountWorkRequest] = field(default_factory=list)
    gate_is_down: bool = False
    together: asyncio.Barrier | None = None

    async def meet(self, request: gate_pb2.CountWorkRequest | executor_pb2.CountWorkRequest) -> None:
        self.asked.append(request)
        if self.together is not None:
            await self.together.wait()


class Gate(gate_pb2_grpc.GateServiceServicer):
    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    async def CountWork(self, request: gate_pb2.CountWorkRequest, context: object) -> gate_pb2.CountWorkResponse:
        await self._counted.meet(request)
        if self._counted.gate_is_down:
            raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")
        return gate_pb2.CountWorkResponse(counts=self._counted.intents)


class Executor(executor_pb2_grpc.ExecutorServiceServicer):
    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    async def CountWork(
        self, request: executor_pb2.CountWorkRequest, context: object
    ) -> executor_pb2.CountWorkResponse:
        await self._counted.meet(request)
        return executor_pb2.CountWorkResponse(counts=self._counted.jobs)

    async def CountCanary(
        self, request: executor_pb2.CountCanaryRequest, context: object
    ) -> executor_pb2.CountCanaryResponse:
        return self._counted.canary


@asynccontextmanager
async def neighbours(counted: Counted) -> AsyncIterator[dict[str, str]]:
    """Run both; yield the settings that name them."""
    gate = Registration(
        descriptor=gate_pb2.DESCRIPTOR.services_by_name["GateService"],
        servicer=Gate(counted),
        add=gate_pb2_grpc.add_GateServiceServicer_to_server,
    )
    executor = Registration(
        descriptor=executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"],
        servicer=Executor(counted),
        add=executor_pb2_grpc.add_ExecutorServiceServicer_to_server,
    )
    async with running([gate], service="gate") as first, running([executor], service="executor") as second:
        yield {
            "gate_target": f"localhost:{first.ports.internal}",
            "executor_target": f"localhost:{second.ports.internal}",
        }
