"""Control, executor and audit as the gate's API tests need them: they remember what they were told, and can be away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration

from chassis.errors_grpc import to_status
from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.control.v1 import control_pb2
from whatlead.error.v1 import error_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2, subject_pb2

AWAY = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away")


@dataclass
class Control:
    """Pauses scopes; `away` makes it unreachable."""

    away: bool = False
    checks: int = 0
    live: dict[str, control_pb2.ExecutionControl] = field(default_factory=dict)
    asked: list[control_pb2.PauseRequest] = field(default_factory=list)
    watchers: list[asyncio.Queue[control_pb2.WatchExecutionControlsResponse]] = field(default_factory=list)

    def pause(self, scope: str, target: str = "", organization_id: str = "demo", until: datetime | None = None) -> str:
        control = control_pb2.ExecutionControl(
            control_id=str(uuid7()),
            organization_id=organization_id,
            scope=control_pb2.Scope.Value(f"SCOPE_{scope}"),
            target=target,
            reason="wrong template",
            paused_by="ana",
            source=control_pb2.SOURCE_MANUAL,
            state=control_pb2.CONTROL_STATE_FENCED,
            paused_until=until,
        )
        self.live[control.control_id] = control
        self._tell(control)
        return control.control_id

    def resume(self, control_id: str) -> None:
        control = self.live.pop(control_id)
        control.state = control_pb2.CONTROL_STATE_RESUMED
        self._tell(control)

    def _tell(self, control: control_pb2.ExecutionControl) -> None:
        for watcher in self.watchers:
            watcher.put_nowait(control_pb2.WatchExecutionControlsResponse(change=control))

    def _covers(self, control: control_pb2.ExecutionControl, scope: control_pb2.ExecutionScope) -> bool:
        if control.organization_id != scope.organization_id:
            return False
        match control.scope:
            case control_pb2.SCOPE_INSTANCE:
                return bool(scope.instance_id) and control.target == scope.instance_id
            case control_pb2.SCOPE_CAMPAIGN:
                return bool(scope.campaign_id) and control.target == scope.campaign_id
            case _:
                return True

    async def CheckExecutions(self, request: Any, timeout: float = 0) -> control_pb2.CheckExecutionsResponse:
        self.checks += 1
        if self.away:
            raise AWAY
        answers = []
        for scope in request.scopes:
            covering = [control for control in self.live.values() if self._covers(control, scope)]
            answer = control_pb2.ScopeAnswer(organization_version=7)
            if covering:
                answer.paused.control_ids.extend(control.control_id for control in covering)
                answer.paused.reason = covering[0].reason
                answer.paused.paused_by = covering[0].paused_by
                answer.paused.source = covering[0].source
                if covering[0].HasField("paused_until"):
                    answer.paused.paused_until.CopyFrom(covering[0].paused_until)
            else:
                answer.allowed.rate_factor = 1
            answers.append(answer)
        return control_pb2.CheckExecutionsResponse(answers=answers, ttl=Duration(nanos=500_000_000))

    async def Pause(self, request: control_pb2.PauseRequest, timeout: float = 0) -> control_pb2.PauseResponse:
        if self.away:
            raise AWAY
        self.asked.append(request)
        return control_pb2.PauseResponse()

    async def WatchExecutionControls(self, request: Any) -> AsyncIterator[control_pb2.WatchExecutionControlsResponse]:
        queue: asyncio.Queue[control_pb2.WatchExecutionControlsResponse] = asyncio.Queue()
        self.watchers.append(queue)
        snapshot = control_pb2.ExecutionControlSnapshot(controls=list(self.live.values()))
        yield control_pb2.WatchExecutionControlsResponse(snapshot=snapshot)
        while True:
            yield await queue.get()


@dataclass
class Executor:
    """Takes jobs; cancels what it holds unless it is told that it has begun."""

    away: bool = False
    jobs: list[executor_pb2.ApprovedIntent] = field(default_factory=list)
    lanes: list[executor_pb2.Lane] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    cancels: list[executor_pb2.CancelJobsRequest] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)

    async def AcceptJobs(self, request: Any, timeout: float = 0) -> executor_pb2.AcceptJobsResponse:
        if self.away:
            raise AWAY
        self.jobs.extend(request.jobs)
        self.lanes.extend(request.lanes)
        return executor_pb2.AcceptJobsResponse()

    async def CancelJobs(self, request: Any, timeout: float = 0) -> executor_pb2.CancelJobsResponse:
        if self.away:
            raise AWAY
        self.cancels.append(request)
        return executor_pb2.CancelJobsResponse(
            results=[
                executor_pb2.CancelJobResult(
                    intent_id=intent_id,
                    outcome=(
                        intent_pb2.CANCEL_OUTCOME_TOO_LATE
                        if intent_id in self.begun
                        else intent_pb2.CANCEL_OUTCOME_CANCELED
                    ),
                )
                for intent_id in request.intent_ids
            ]
        )

    async def EraseJobs(self, request: Any, timeout: float = 0) -> executor_pb2.EraseJobsResponse:
        if self.away:
            raise AWAY
        sending = [intent_id in self.begun for intent_id in request.intent_ids]
        self.erased.update(intent_id for intent_id, begun in zip(request.intent_ids, sending, strict=True) if not begun)
        return executor_pb2.EraseJobsResponse(
            outcomes=[
                executor_pb2.ERASE_OUTCOME_SENDING if begun else executor_pb2.ERASE_OUTCOME_CANCELED
                for begun in sending
            ]
        )

    async def ExportJobs(self, request: Any, timeout: float = 0) -> executor_pb2.ExportJobsResponse:
        if self.away:
            raise AWAY
        held = {job.intent_id: job for job in self.jobs}
        return executor_pb2.ExportJobsResponse(
            jobs=[
                subject_pb2.ExportedJob(
                    intent_id=intent_id,
                    state="READY",
                    content=subject_pb2.MessageContent(recipient=held[intent_id].recipient),
                )
                for intent_id in request.intent_ids
                if intent_id in held
            ]
        )


@dataclass
class Audit:
    """Keeps events."""

    events: list[event_pb2.OperationalEvent] = field(default_factory=list)
    away: bool = False
    refuse: int = 0

    async def RecordEvents(self, request: Any, timeout: float = 0) -> event_pb2.RecordEventsResponse:
        if self.away:
            raise Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "audit is away")
        events = [event_pb2.OperationalEvent.FromString(event) for event in request.events]
        refused, kept = events[: self.refuse], events[self.refuse :]
        self.refuse -= len(refused)
        self.events.extend(kept)
        conflict = Failure(Kind.ALREADY_EXISTS, "CONFLICTING_DUPLICATE", "it came before with other content")
        return event_pb2.RecordEventsResponse(
            refusals=[error_pb2.Refusal(item_id=event.event_id, status=to_status(conflict)) for event in refused]
        )

    def life(self, intent_id: str) -> list[tuple[int, str, str]]:
        """Return an intent's events by sequence: number, type, reason."""
        return sorted(
            (
                event.sequence,
                event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_MESSAGE_"),
                event.reason,
            )
            for event in self.events
            if event.aggregate_id == intent_id
        )

    def about(self, instance_id: str) -> list[event_pb2.OperationalEvent]:
        """Return an instance's own events in the order of their times."""
        found = [event for event in self.events if event.aggregate_id == instance_id]
        return sorted(found, key=lambda event: event.occurred_at.ToNanoseconds())


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
