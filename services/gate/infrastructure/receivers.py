"""The outbox's receivers: executor (jobs and lanes), audit (events) and control (pauses asked for). Stores nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from io import BytesIO

from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from chassis.errors_grpc import from_status
from chassis.outbox import Receiver, Refusal
from chassis.replicas import Replicas
from gate.infrastructure.handover import AUDIT, CONTROL, EXECUTOR, MOST_EVENTS, MOST_JOBS
from kernel.errors import Failure, Kind
from whatlead.audit.v1 import event_pb2, event_pb2_grpc
from whatlead.control.v1 import control_pb2, control_pb2_grpc
from whatlead.error.v1 import error_pb2
from whatlead.executor.v1 import executor_pb2, executor_pb2_grpc

_AUDIT_LINGER = timedelta(milliseconds=100)
_PAUSE_SECONDS = 5.0
_MOST_PAUSES = 20


def executor_receiver(stub: executor_pb2_grpc.ExecutorServiceAsyncStub) -> Receiver:
    """Take jobs and lanes to the executor, without delay."""

    async def deliver(payload: bytes) -> Sequence[Refusal]:
        answer = await stub.AcceptJobs(executor_pb2.AcceptJobsRequest.FromString(payload))
        return _refusals(answer.refusals)

    return Receiver(name=EXECUTOR, deliver=deliver, split=_jobs, max_items=MOST_JOBS)


def audit_receiver(stub: event_pb2_grpc.EventServiceAsyncStub) -> Receiver:
    """Take events to audit, in company if some comes meanwhile."""

    async def deliver(payload: bytes) -> Sequence[Refusal]:
        answer = await stub.RecordEvents(event_pb2.RecordEventsRequest.FromString(payload))
        return _refusals(answer.refusals)

    return Receiver(name=AUDIT, deliver=deliver, split=_events, linger=_AUDIT_LINGER, max_items=MOST_EVENTS)


def control_receiver(stubs: Sequence[control_pb2_grpc.ControlServiceAsyncStub]) -> Receiver:
    """Ask control for the pauses that a provider's refusal calls for; repeating one changes nothing."""
    replicas = Replicas(stubs)

    async def deliver(payload: bytes) -> Sequence[Refusal]:
        refusals = []
        for request in _pause_requests(payload):
            try:
                await replicas.call(partial(_pause, request), timeout=_PAUSE_SECONDS)
            except Failure as failure:
                if failure.kind is not Kind.INVALID_ARGUMENT:
                    raise
                refusals.append(Refusal(item_id=request.request_id, reason=failure.reason, message=failure.message))
        return refusals

    return Receiver(name=CONTROL, deliver=deliver, split=_pauses, max_items=_MOST_PAUSES)


async def _pause(
    request: control_pb2.PauseRequest, stub: control_pb2_grpc.ControlServiceAsyncStub, seconds: float
) -> None:
    await stub.Pause(request, timeout=seconds)


def _refusals(refusals: Iterable[error_pb2.Refusal]) -> list[Refusal]:
    return [
        Refusal(item_id=refusal.item_id, reason=_reason(refusal), message=refusal.status.message)
        for refusal in refusals
    ]


def _reason(refusal: error_pb2.Refusal) -> str:
    return from_status(refusal.status).reason


def _jobs(payload: bytes) -> Iterable[tuple[str, bytes]]:
    request = executor_pb2.AcceptJobsRequest.FromString(payload)
    if not request.jobs:
        for lane in request.lanes:
            alone = executor_pb2.AcceptJobsRequest(lanes=[lane])
            yield f"{lane.organization_id}/{lane.instance_id}", alone.SerializeToString()
    for job in request.jobs:
        lanes = [lane for lane in request.lanes if lane.instance_id == job.instance_id]
        yield job.intent_id, executor_pb2.AcceptJobsRequest(lanes=lanes, jobs=[job]).SerializeToString()


def _events(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for place, event in enumerate(event_pb2.RecordEventsRequest.FromString(payload).events):
        try:
            event_id = event_pb2.OperationalEvent.FromString(event).event_id
        except ValueError:
            event_id = f"#{place}"
        yield event_id, event_pb2.RecordEventsRequest(events=[event]).SerializeToString()


def one_pause(request: control_pb2.PauseRequest) -> bytes:
    """Return a payload for control. Pauses travel one behind another, each behind its length."""
    payload = BytesIO()
    serialize_length_prefixed(request, payload)
    return payload.getvalue()


def _pauses(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for request in _pause_requests(payload):
        yield request.request_id, one_pause(request)


def _pause_requests(payload: bytes) -> Iterator[control_pb2.PauseRequest]:
    rest = BytesIO(payload)
    while (request := parse_length_prefixed(control_pb2.PauseRequest, rest)) is not None:
        yield request
