"""Rows of the table of pauses as pauses, and back. Knows no statement."""

from chassis.database import Row
from control.application.ports import Seen
from control.domain.etag import Etag
from control.domain.pause import Ending, Order, Pause, Scope, Source, State
from control.domain.resumption import Canary, CanaryFailure, Immediate, Plan, Ramp, Resumption
from kernel.ids import ControlId, OrganizationId


def pause_of(row: Row) -> Pause:
    """Return the pause that a row with all columns of the table holds."""
    ending = None
    if row.ended_at is not None:
        ending = Ending(
            at=row.ended_at,
            by=row.ended_by,
            reason=row.end_reason,
            request_id=row.resume_request_id or "",
            resumption=_resumption_of(row),
        )
    order = Order(
        organization_id=OrganizationId(row.organization_id),
        scope=Scope(row.scope),
        target=row.target,
        reason=row.reason,
        source=Source(row.source),
        paused_until=row.paused_until,
        paused_by=row.paused_by,
        peer=row.peer,
        request_id=row.request_id,
    )
    return Pause(
        control_id=ControlId(row.control_id),
        order=order,
        state=State(row.state),
        begun_version=row.begun_version,
        version=row.version,
        ttl_max=row.ttl_max,
        created_at=row.created_at,
        fenced_at=row.fenced_at,
        ending=ending,
    )


def seen_of(row: Row) -> Seen:
    """Return the pause with what the same statement read of its versions and the time."""
    etag = Etag(organization_version=row.organization_version, platform_version=row.platform_version)
    return Seen(pause=pause_of(row), etag=etag, at=row.read_at)


def _resumption_of(row: Row) -> Resumption | None:
    plan: Plan
    match row.plan:
        case None:
            return None
        case "IMMEDIATE":
            plan = Immediate()
        case "RAMP":
            plan = Ramp(from_share=row.ramp_from, duration=row.ramp_duration)
        case "CANARY":
            plan = Canary(
                sends=row.canary_sends, watch=row.canary_watch, max_failure_share=row.canary_max_failure_share
            )
        case unknown:
            raise ValueError(f"no plan {unknown}")
    failure = None
    if row.failed_control_id is not None:
        failure = CanaryFailure(at=row.canary_failed_at, control_id=ControlId(row.failed_control_id))
    return Resumption(plan=plan, full_pace_at=row.full_pace_at, failure=failure)


def order_columns(pause: Pause) -> dict[str, object]:
    """Return the columns of a pause that begins."""
    order = pause.order
    return {
        "organization_id": pause.organization_id,
        "control_id": pause.control_id,
        "state": pause.state.value,
        "version": pause.version,
        "scope": order.scope.value,
        "target": order.target,
        "reason": order.reason,
        "source": order.source.value,
        "paused_until": order.paused_until,
        "paused_by": order.paused_by,
        "peer": order.peer,
        "request_id": order.request_id,
        "ttl_max": pause.ttl_max,
        "created_at": pause.created_at,
    }


def state_columns(pause: Pause) -> dict[str, object]:
    """Return the key and what changes."""
    ending = pause.ending
    return {
        "organization_id": pause.organization_id,
        "control_id": pause.control_id,
        "state": pause.state.value,
        "version": pause.version,
        "fenced_at": pause.fenced_at,
        "ended_at": ending.at if ending else None,
        "ended_by": ending.by if ending else None,
        "end_reason": ending.reason if ending else None,
        "resume_request_id": (ending.request_id or None) if ending else None,
        **_resumption_columns(pause.resumption),
    }


def _resumption_columns(resumption: Resumption | None) -> dict[str, object]:
    plan = resumption.plan if resumption else None
    failure = resumption.failure if resumption else None
    return {
        "plan": type(plan).__name__.upper() if plan else None,
        "ramp_from": plan.from_share if isinstance(plan, Ramp) else None,
        "ramp_duration": plan.duration if isinstance(plan, Ramp) else None,
        "canary_sends": plan.sends if isinstance(plan, Canary) else None,
        "canary_watch": plan.watch if isinstance(plan, Canary) else None,
        "canary_max_failure_share": plan.max_failure_share if isinstance(plan, Canary) else None,
        "full_pace_at": resumption.full_pace_at if resumption else None,
        "canary_failed_at": failure.at if failure else None,
        "failed_control_id": failure.control_id if failure else None,
    }
