"""Control's words of a resume and those of its contract, in both directions. Decides nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.duration_pb2 import Duration

from control.application.resuming import Lift
from control.domain.etag import Etag
from control.domain.resumption import Canary, Immediate, Plan, Ramp, Resumption, ResumptionState
from control.infrastructure.events import timestamp
from kernel.errors import Violation, invalid
from kernel.ids import ControlId
from whatlead.control.v1 import control_pb2

MOST_AT_ONCE = 100
# Below it the first sends of a ramp would be further apart than most ramps are long.
LEAST_SHARE = 0.01
RESUMPTION_STATES = {
    control_pb2.RESUMPTION_STATE_CANARY: ResumptionState.CANARY,
    control_pb2.RESUMPTION_STATE_RAMPING: ResumptionState.RAMPING,
    control_pb2.RESUMPTION_STATE_COMPLETE: ResumptionState.COMPLETE,
    control_pb2.RESUMPTION_STATE_FAILED: ResumptionState.FAILED,
}
_STATES_OUT = {state: number for number, state in RESUMPTION_STATES.items()}
_DEFAULT_RAMP = Ramp()
_DEFAULT_WATCH = timedelta(seconds=30)


def lift_of(request: control_pb2.ResumeRequest) -> Lift:
    """Return the resume that is asked for. Raises Failure INVALID_ARGUMENT naming every bad field."""
    named = [*([request.control_id] if request.control_id else []), *request.control_ids]
    control_ids = list(dict.fromkeys(ControlId(UUID(one)) for one in named))
    etag = Etag.parse(request.etag)
    violations = tuple(_violations(request, len(control_ids), etag))
    if violations or etag is None:
        raise invalid(*violations)
    return Lift(
        request_id=request.request_id,
        control_ids=control_ids,
        etag=etag,
        reason=request.reason,
        plan=_plan_of(request),
    )


def _violations(request: control_pb2.ResumeRequest, named: int, etag: Etag | None) -> Iterator[Violation]:
    if not request.reason.strip():
        yield Violation(field="reason", description="must say why")
    if not 1 <= named <= MOST_AT_ONCE:
        yield Violation(field="control_ids", description=f"must name 1 to {MOST_AT_ONCE} pauses")
    if request.HasField("ramp") and 0 < request.ramp.from_share < LEAST_SHARE:
        yield Violation(field="ramp.from_share", description=f"must be 0 for the default, or at least {LEAST_SHARE}")
    if etag is None:
        yield Violation(
            field="etag",
            description="must be given as Pause, GetExecutionControl, ListExecutionControls or GetEffectiveState "
            "answered it when the pauses were read",
        )


def _plan_of(request: control_pb2.ResumeRequest) -> Plan:
    match request.WhichOneof("plan"):
        case "immediate":
            return Immediate()
        case "canary":
            canary = request.canary
            return Canary(
                sends=canary.sends,
                watch=canary.watch.ToTimedelta() if canary.HasField("watch") else _DEFAULT_WATCH,
                max_failure_share=canary.max_failure_share,
            )
        case _:
            ramp = request.ramp
            return Ramp(
                from_share=ramp.from_share or _DEFAULT_RAMP.from_share,
                duration=ramp.duration.ToTimedelta() if ramp.HasField("duration") else _DEFAULT_RAMP.duration,
            )


def resumption_message(resumption: Resumption, at: datetime) -> control_pb2.Resumption:
    """Return how it goes on, as of `at`."""
    message = control_pb2.Resumption(state=_STATES_OUT[resumption.state(at)], rate_factor=resumption.factor(at))
    match resumption.plan:
        case Immediate():
            message.immediate.SetInParent()
        case Ramp(from_share=from_share, duration=duration):
            message.ramp.CopyFrom(control_pb2.Ramp(from_share=from_share, duration=_duration(duration)))
        case Canary(sends=sends, watch=watch, max_failure_share=share):
            canary = control_pb2.Canary(sends=sends, watch=_duration(watch), max_failure_share=share)
            message.canary.CopyFrom(canary)
    if resumption.full_pace_at is not None:
        message.complete_time.CopyFrom(timestamp(resumption.full_pace_at.astimezone(UTC)))
    if resumption.failure is not None:
        message.failed_control_id = str(resumption.failure.control_id)
    return message


def _duration(time: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(time)
    return message
