"""Ask the executor to cancel jobs. Knows nothing of why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from gate.domain.words import CancelOutcome
from gate.infrastructure.wire import CANCELS
from kernel.errors import Failure, Kind
from whatlead.executor.v1 import executor_pb2, executor_pb2_grpc

_SECONDS = 3.0
_A_CALL = 1_000


class ExecutorClient:
    """Implements `CancelJobs`."""

    def __init__(self, stub: executor_pb2_grpc.ExecutorServiceAsyncStub) -> None:
        self._stub = stub

    async def __call__(
        self,
        *,
        organization_id: str,
        request_id: str,
        intent_ids: Sequence[UUID],
        reason: str,
        actor: str,
        validate_only: bool,
    ) -> Mapping[UUID, CancelOutcome]:
        outcomes: dict[UUID, CancelOutcome] = {}
        for start in range(0, len(intent_ids), _A_CALL):
            request = executor_pb2.CancelJobsRequest(
                organization_id=organization_id,
                request_id=f"{request_id}.{start}",
                intent_ids=[str(intent_id) for intent_id in intent_ids[start : start + _A_CALL]],
                reason=reason,
                actor=actor,
                validate_only=validate_only,
            )
            try:
                answer = await self._stub.CancelJobs(request, timeout=_SECONDS)
            except Failure as failure:
                if failure.kind not in (Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED):
                    raise
                raise Failure(
                    Kind.UNAVAILABLE,
                    "EXECUTOR_UNREACHABLE",
                    "the executor does not answer; nothing was changed",
                    retry_after=failure.retry_after,
                ) from failure
            outcomes.update((UUID(result.intent_id), CANCELS[result.outcome]) for result in answer.results)
        return outcomes
