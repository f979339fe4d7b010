"""The executor's calls on the wire: messages in, use case, messages out. Decides nothing."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from chassis import paging
from chassis.errors_grpc import to_status
from chassis.identity import Caller, current_caller, current_identity
from chassis.interceptors import note
from executor.application.ports_operations import Request
from executor.domain.job import Attempt, Job, JobKey, Lane, NewJob
from executor.domain.pauses import KnownPauses
from executor.domain.words import CancelOutcome, JobState, Reason, Resolution
from executor.grpc_api_subjects import EraseJobs, ExportJobs, SubjectCalls
from executor.infrastructure import wire
from executor.infrastructure.counting import PostgresCounts
from kernel.errors import Failure, Violation, invalid, not_found
from whatlead.error.v1 import error_pb2
from whatlead.executor.v1 import executor_pb2

_DEFAULT_PAGE = 50
M = TypeVar("M", bound=Message)
D = TypeVar("D")


class AcceptJobs(Protocol):
    async def __call__(self, lanes: Sequence[Lane], jobs: Sequence[NewJob]) -> int: ...


class CancelJobs(Protocol):
    async def __call__(
        self, intent_ids: Sequence[UUID], *, request: Request, validate_only: bool
    ) -> dict[UUID, CancelOutcome]: ...


class RetryJobs(Protocol):
    async def __call__(self, intent_ids: Sequence[UUID], *, campaign_id: str, request: Request) -> list[UUID]: ...


class ResolveOutcome(Protocol):
    async def __call__(self, intent_id: UUID, *, resolution: Resolution, request: Request) -> None: ...


class PageOfJobs(Protocol):
    async def __call__(
        self,
        *,
        organization_id: str,
        state: str,
        campaign_id: str,
        instance_id: str,
        before: UUID | None,
        jobs: int,
    ) -> list[Job]: ...


class ExecutorApi(SubjectCalls):
    """`whatlead.executor.v1.ExecutorService`."""

    def __init__(
        self,
        *,
        accept: AcceptJobs,
        cancel: CancelJobs,
        retry: RetryJobs,
        resolve: ResolveOutcome,
        get: Callable[[JobKey], Awaitable[tuple[Job, tuple[Attempt, ...]] | None]],
        page: PageOfJobs,
        counts: PostgresCounts,
        pauses: KnownPauses,
        erase: EraseJobs,
        export: ExportJobs,
    ) -> None:
        super().__init__(erase=erase, export=export)
        self._accept = accept
        self._cancel = cancel
        self._retry = retry
        self._resolve = resolve
        self._get = get
        self._page = page
        self._counts = counts
        self._pauses = pauses

    async def AcceptJobs(  # noqa: N802
        self, request: executor_pb2.AcceptJobsRequest, context: object
    ) -> executor_pb2.AcceptJobsResponse:
        refusals: list[error_pb2.Refusal] = []
        lanes = _fit(request.lanes, wire.lane, lambda item: item.instance_id, "lanes", refusals)
        jobs = _fit(request.jobs, wire.new_job, lambda item: item.intent_id, "jobs", refusals)
        taken = await self._accept(lanes, jobs)
        note(items=len(request.jobs), taken=taken, refused=len(refusals))
        return executor_pb2.AcceptJobsResponse(refusals=refusals)

    async def CancelJobs(  # noqa: N802
        self, request: executor_pb2.CancelJobsRequest, context: object
    ) -> executor_pb2.CancelJobsResponse:
        organization_id, actor = _on_behalf(request)
        asked = _request(request, organization_id=organization_id, actor=actor, method="CancelJobs")
        intent_ids = [UUID(intent_id) for intent_id in request.intent_ids]
        outcomes = await self._cancel(intent_ids, request=asked, validate_only=request.validate_only)
        note(items=len(intent_ids))
        return executor_pb2.CancelJobsResponse(
            results=[
                executor_pb2.CancelJobResult(
                    intent_id=str(intent_id), outcome=wire.CANCEL_OUTCOMES[outcomes[intent_id]]
                )
                for intent_id in intent_ids
            ]
        )

    async def RetryJobs(  # noqa: N802
        self, request: executor_pb2.RetryJobsRequest, context: object
    ) -> executor_pb2.RetryJobsResponse:
        caller = current_caller()
        if not request.intent_ids and not request.campaign_id:
            raise invalid(Violation(field="intent_ids", description="give intent ids or a campaign"))
        asked = _request(request, organization_id=caller.organization_id, actor=caller.subject, method="RetryJobs")
        intent_ids = [UUID(intent_id) for intent_id in request.intent_ids]
        returned = await self._retry(intent_ids, campaign_id=request.campaign_id, request=asked)
        note(items=len(returned))
        return executor_pb2.RetryJobsResponse(intent_ids=[str(intent_id) for intent_id in returned])

    async def ResolveOutcome(  # noqa: N802
        self, request: executor_pb2.ResolveOutcomeRequest, context: object
    ) -> executor_pb2.ResolveOutcomeResponse:
        caller = current_caller()
        asked = _request(request, organization_id=caller.organization_id, actor=caller.subject, method="ResolveOutcome")
        resolution = wire.RESOLUTIONS[request.resolution]
        await self._resolve(UUID(request.intent_id), resolution=resolution, request=asked)
        job = await self._job(caller, request.intent_id)
        return executor_pb2.ResolveOutcomeResponse(job=job)

    async def GetJob(  # noqa: N802
        self, request: executor_pb2.GetJobRequest, context: object
    ) -> executor_pb2.GetJobResponse:
        return executor_pb2.GetJobResponse(job=await self._job(current_caller(), request.intent_id))

    async def ListJobs(  # noqa: N802
        self, request: executor_pb2.ListJobsRequest, context: object
    ) -> executor_pb2.ListJobsResponse:
        organization_id = current_caller().organization_id
        filtered = executor_pb2.ListJobsRequest()
        filtered.CopyFrom(request)
        filtered.ClearField("page_token")
        filtered.ClearField("page_size")
        bound = filtered.SerializeToString(deterministic=True)
        before = None
        if request.page_token:
            before = UUID(paging.decode(request.page_token, organization_id=organization_id, filter=bound))
        size = request.page_size or _DEFAULT_PAGE
        state = wire.STATES_ASKED.get(request.state)
        jobs = await self._page(
            organization_id=organization_id,
            state=state.value if state is not None else "",
            campaign_id=request.campaign_id,
            instance_id=request.instance_id,
            before=before,
            jobs=size + 1,
        )
        token = ""
        if len(jobs) > size:
            last = str(jobs[size - 1].intent_id)
            token = paging.encode(organization_id=organization_id, filter=bound, position=last)
        shown = [wire.job_message(self._as_paused(job), ()) for job in jobs[:size]]
        return executor_pb2.ListJobsResponse(jobs=shown, next_page_token=token)

    async def CountWork(  # noqa: N802
        self, request: executor_pb2.CountWorkRequest, context: object
    ) -> executor_pb2.CountWorkResponse:
        counts = await self._counts.work(
            organization_id=request.organization_id, instance_id=request.instance_id, campaign_id=request.campaign_id
        )
        note(items=len(counts))
        return executor_pb2.CountWorkResponse(counts=map(wire.working_message, counts))

    async def CountCanary(  # noqa: N802
        self, request: executor_pb2.CountCanaryRequest, context: object
    ) -> executor_pb2.CountCanaryResponse:
        count = await self._counts.canary(UUID(request.control_id))
        return executor_pb2.CountCanaryResponse(sends=count.sends, succeeded=count.succeeded, failed=count.failed)

    async def _job(self, caller: Caller, intent_id: str) -> executor_pb2.Job:
        found = await self._get(JobKey(caller.organization_id, UUID(intent_id)))
        if found is None:
            raise not_found("job")
        job, attempts = found
        return wire.job_message(self._as_paused(job), attempts)

    def _as_paused(self, job: Job) -> Job:
        """Return the job with the reason it has while its scope is known to be paused: most rows are not marked."""
        if job.state is JobState.READY and self._pauses.covers(job.scope):
            return replace(job, reason=Reason.OPS_PAUSED)
        return job


def _on_behalf(request: executor_pb2.CancelJobsRequest) -> tuple[str, str]:
    """Return whose jobs and who asks: a caller's own by its token, the gate's as it says."""
    identity = current_identity()
    if isinstance(identity, Caller):
        given = [name for name in ("organization_id", "actor") if getattr(request, name)]
        if given:
            raise invalid(*(Violation(field=name, description="must be empty") for name in given))
        return identity.organization_id, identity.subject
    if not request.organization_id:
        raise invalid(Violation(field="organization_id", description="must be given by a service"))
    return request.organization_id, request.actor or identity.service


class _Mutation(Protocol):
    """What the requests of all mutations have."""

    @property
    def request_id(self) -> str: ...

    @property
    def reason(self) -> str: ...

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...  # noqa: N802


def _request(request: _Mutation, *, organization_id: str, actor: str, method: str) -> Request:
    content = request.SerializeToString(deterministic=True)
    return Request(
        organization_id=organization_id,
        request_id=request.request_id,
        method=method,
        fingerprint=hashlib.sha256(content).digest(),
        reason=request.reason,
        actor=actor,
    )


def _fit(
    items: Iterable[M],
    read: Callable[[M], D],
    name: Callable[[M], str],
    field: str,
    refusals: list[error_pb2.Refusal],
) -> list[D]:
    """Read the items that can be taken; the others become refusals."""
    result: list[D] = []
    for place, item in enumerate(items):
        try:
            result.append(read(item))
        except wire.UnfitError as unfit:
            failure: Failure = invalid(*unfit.violations)
            refusals.append(error_pb2.Refusal(item_id=name(item) or f"#{field}[{place}]", status=to_status(failure)))
    return result
