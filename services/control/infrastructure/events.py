"""The event that a pause's last change leaves on the timeline, as audit's contract has it. Knows no store."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry import trace

from control.domain.pause import Pause, Scope, State
from control.domain.resumption import AFTER_CANARY, Canary, Immediate, Plan, Ramp
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2

PRODUCER = "control"
TYPES = {
    State.PAUSING: event_pb2.EVENT_TYPE_EXECUTION_PAUSED,
    State.FENCED: event_pb2.EVENT_TYPE_EXECUTION_FENCED,
    State.RESUMED: event_pb2.EVENT_TYPE_EXECUTION_RESUMED,
    State.EXPIRED: event_pb2.EVENT_TYPE_EXECUTION_PAUSE_EXPIRED,
}


def event_of(pause: Pause) -> event_pb2.OperationalEvent:
    """Return the event of the change that made the pause as it is."""
    order = pause.order
    event = event_pb2.OperationalEvent(
        event_id=str(uuid7()),
        organization_id=pause.organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_CONTROL,
        aggregate_id=str(pause.control_id),
        type=_type_of(pause),
        occurred_at=timestamp(pause.changed_at),
        producer=PRODUCER,
        trace_id=_trace_id(),
        actor=pause.changed_by,
        instance_id=order.target if order.scope is Scope.INSTANCE else "",
        campaign_id=order.target if order.scope is Scope.CAMPAIGN else "",
        pause=event_pb2.PauseDetail(
            scope=order.scope.value,
            target=order.target,
            note=_note_of(pause),
            source=order.source.value,
            paused_at=timestamp(pause.created_at),
            control_version=pause.version,
            plan=_plan_of(pause),
        ),
    )
    if order.paused_until is not None:
        event.pause.paused_until.CopyFrom(timestamp(order.paused_until))
    if pause.fenced_at is not None:
        event.pause.fenced_at.CopyFrom(timestamp(pause.fenced_at))
    return event


def _type_of(pause: Pause) -> event_pb2.EventType.ValueType:
    if pause.resumption is None or pause.resumption.settled_at is None:
        return TYPES[pause.state]
    if pause.resumption.failure is not None:
        return event_pb2.EVENT_TYPE_EXECUTION_CANARY_FAILED
    return event_pb2.EVENT_TYPE_EXECUTION_CANARY_PASSED


def _note_of(pause: Pause) -> str:
    if pause.resumption is None or pause.ending is None:
        return pause.order.reason
    if pause.resumption.failure is not None:
        return f"pause {pause.resumption.failure.control_id} took its place"
    return pause.ending.reason


def _plan_of(pause: Pause) -> str:
    """Return how it goes on now, in words; nothing after a canary that failed."""
    if pause.resumption is None or pause.resumption.failure is not None:
        return ""
    return plan_words(pause.resumption.plan if pause.resumption.settled_at is None else AFTER_CANARY)


def plan_words(plan: Plan) -> str:
    """Return a plan in words."""
    match plan:
        case Immediate():
            return "IMMEDIATE"
        case Ramp(from_share=from_share, duration=duration):
            return f"RAMP from {100 * from_share:g} % in {duration.total_seconds():g} s"
        case Canary(sends=sends, watch=watch, max_failure_share=share):
            return f"CANARY of {sends}, at most {100 * share:g} % failed, watched for {watch.total_seconds():g} s"


def timestamp(moment: datetime) -> Timestamp:
    """Return `moment` (aware) as it travels."""
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def _trace_id() -> str:
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else ""
