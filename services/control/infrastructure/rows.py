"""Rows of the table of pauses as pauses, and back. Knows no statement."""

from typing import Any

from sqlalchemy import Row

from control.domain.pause import Ending, Order, Pause, Scope, Source, State
from kernel.ids import ControlId, OrganizationId


def pause_of(row: Row[Any]) -> Pause:
    """Return the pause that a row with all columns of the table holds."""
    ending = None
    if row.ended_at is not None:
        ending = Ending(at=row.ended_at, by=row.ended_by, reason=row.end_reason, request_id=row.resume_request_id or "")
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
        version=row.version,
        ttl_max=row.ttl_max,
        created_at=row.created_at,
        fenced_at=row.fenced_at,
        ending=ending,
    )


def order_columns(pause: Pause) -> dict[str, object]:
    """Return what never changes."""
    order = pause.order
    return {
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
    }
