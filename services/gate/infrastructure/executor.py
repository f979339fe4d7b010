"""Ask the executor to cancel jobs, to forget them, to tell all about them. Knows nothing of why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from gate.domain.words import CancelOutcome, EraseOutcome
from gate.infrastructure.wire import CANCELS, ERASURES
from kernel.errors import Failure, Kind
from whatlead.executor.v1 import executor_pb2, executor_pb2_grpc
from whatlead.gate.v1 import subject_pb2

_SECONDS = 3.0
_A_CALL = 1_000


class ExecutorClient:
    """Implements `CancelJobs` by being called, and `EraseJobs` by `erase`."""

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
            with _unreachable("nothing was changed"):
                answer = await self._stub.CancelJobs(request, timeout=_SECONDS)
            outcomes.update((UUID(result.intent_id), CANCELS[result.outcome]) for result in answer.results)
        return outcomes

    async def erase(
        self, *, organization_id: str, intent_ids: Sequence[UUID], actor: str
    ) -> Mapping[UUID, EraseOutcome]:
        """Have at most 1,000 jobs forgotten and return what became of each."""
        request = executor_pb2.EraseJobsRequest(
            organization_id=organization_id, intent_ids=map(str, intent_ids), actor=actor
        )
        answer = await self._stub.EraseJobs(request, timeout=_SECONDS)
        return {intent_id: ERASURES[outcome] for intent_id, outcome in zip(intent_ids, answer.outcomes, strict=True)}

    async def export(self, organization_id: str, intent_ids: Sequence[UUID]) -> Mapping[str, subject_pb2.ExportedJob]:
        """Return all that is held about at most 100 jobs, by their intents. Raises Failure UNAVAILABLE."""
        if not intent_ids:
            return {}
        request = executor_pb2.ExportJobsRequest(organization_id=organization_id, intent_ids=map(str, intent_ids))
        with _unreachable("what it holds is not known; try again"):
            answer = await self._stub.ExportJobs(request, timeout=_SECONDS)
        return {job.intent_id: job for job in answer.jobs}


@contextmanager
def _unreachable(consequence: str) -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        if failure.kind not in (Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED):
            raise
        message = f"the executor does not answer; {consequence}"
        raise Failure(Kind.UNAVAILABLE, "EXECUTOR_UNREACHABLE", message, retry_after=failure.retry_after) from failure
