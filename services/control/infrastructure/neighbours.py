"""What gate and executor count, asked of them. Knows no rule."""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, TypeVar

from control.domain.pause import Order, Scope
from control.domain.resumption import CanaryCount
from control.domain.work import ScopedWork, Work
from kernel.errors import Failure, Kind
from kernel.ids import ControlId
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import gate_pb2

if TYPE_CHECKING:
    from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceAsyncStub
    from whatlead.gate.v1.gate_pb2_grpc import GateServiceAsyncStub

_WORK_SECONDS = 10.0
_CANARY_SECONDS = 2.0
T = TypeVar("T")


class Neighbours:
    """Gate and executor, as far as control asks them. Every failure becomes UNAVAILABLE and names who it was."""

    def __init__(self, gate: "GateServiceAsyncStub", executor: "ExecutorServiceAsyncStub") -> None:
        self._gate = gate
        self._executor = executor

    async def intents(self, order: Order) -> Sequence[ScopedWork]:
        """Return what waits with the gate in the scope of a pause."""
        request = gate_pb2.CountWorkRequest(
            organization_id=order.organization_id, instance_id=_instance(order), campaign_id=_campaign(order)
        )
        response = await _answer(self._gate.CountWork(request, timeout=_WORK_SECONDS), "gate", "UNAVAILABLE")
        return [
            ScopedWork(
                organization_id=one.organization_id,
                instance_id=one.instance_id,
                campaign_id=one.campaign_id,
                work=Work(intents=one.intents),
            )
            for one in response.counts
        ]

    async def jobs(self, order: Order) -> Sequence[ScopedWork]:
        """Return what waits with the executor, or is on its way, in the scope of a pause."""
        request = executor_pb2.CountWorkRequest(
            organization_id=order.organization_id, instance_id=_instance(order), campaign_id=_campaign(order)
        )
        response = await _of_executor(self._executor.CountWork(request, timeout=_WORK_SECONDS))
        return [
            ScopedWork(
                organization_id=one.organization_id,
                instance_id=one.instance_id,
                campaign_id=one.campaign_id,
                work=Work(jobs=one.waiting, in_flight=one.in_flight),
            )
            for one in response.counts
        ]

    async def count(self, control_id: ControlId) -> CanaryCount:
        """Return how a canary's sends went so far."""
        request = executor_pb2.CountCanaryRequest(control_id=str(control_id))
        response = await _of_executor(self._executor.CountCanary(request, timeout=_CANARY_SECONDS))
        return CanaryCount(sends=response.sends, succeeded=response.succeeded, failed=response.failed)


def _instance(order: Order) -> str:
    return order.target if order.scope is Scope.INSTANCE else ""


def _campaign(order: Order) -> str:
    return order.target if order.scope is Scope.CAMPAIGN else ""


async def _of_executor(call: Awaitable[T]) -> T:
    return await _answer(call, "executor", "EXECUTOR_UNREACHABLE")


async def _answer(call: Awaitable[T], service: str, reason: str) -> T:
    try:
        return await call
    except Failure as failure:
        raise Failure(Kind.UNAVAILABLE, reason, f"the {service} did not answer ({failure.reason}); try again") from None
