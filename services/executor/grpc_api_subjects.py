"""The executor's calls about the people who are written to: forget, and tell all that is held. Decides nothing."""

from collections.abc import Awaitable, Sequence
from typing import Protocol
from uuid import UUID

from chassis.interceptors import note
from executor.domain.words import EraseOutcome
from whatlead.executor.v1 import executor_pb2, executor_pb2_grpc
from whatlead.gate.v1 import subject_pb2

ERASE_OUTCOMES = {
    outcome: executor_pb2.EraseOutcome.Value(f"ERASE_OUTCOME_{outcome.value}") for outcome in EraseOutcome
}


class EraseJobs(Protocol):
    def __call__(
        self, organization_id: str, intent_ids: Sequence[UUID], *, actor: str
    ) -> Awaitable[list[EraseOutcome]]: ...


class ExportJobs(Protocol):
    def __call__(
        self, organization_id: str, intent_ids: Sequence[UUID]
    ) -> Awaitable[list[subject_pb2.ExportedJob]]: ...


class SubjectCalls(executor_pb2_grpc.ExecutorServiceServicer):
    """EraseJobs and ExportJobs."""

    def __init__(self, *, erase: EraseJobs, export: ExportJobs) -> None:
        self._erase = erase
        self._export = export

    async def EraseJobs(  # noqa: N802
        self, request: executor_pb2.EraseJobsRequest, context: object
    ) -> executor_pb2.EraseJobsResponse:
        intent_ids = [UUID(intent_id) for intent_id in request.intent_ids]
        outcomes = await self._erase(request.organization_id, intent_ids, actor=request.actor)
        note(items=len(intent_ids))
        return executor_pb2.EraseJobsResponse(outcomes=[ERASE_OUTCOMES[outcome] for outcome in outcomes])

    async def ExportJobs(  # noqa: N802
        self, request: executor_pb2.ExportJobsRequest, context: object
    ) -> executor_pb2.ExportJobsResponse:
        jobs = await self._export(request.organization_id, [UUID(intent_id) for intent_id in request.intent_ids])
        note(items=len(jobs))
        return executor_pb2.ExportJobsResponse(jobs=jobs)
