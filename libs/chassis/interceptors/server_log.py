"""One log line for every call served. Knows who called and how it ended, never what was in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from chassis.identity import Caller, Peer
from chassis.interceptors.call import Call

_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE})

log = structlog.get_logger("chassis.calls")


@asynccontextmanager
async def log_line(call: Call) -> AsyncIterator[None]:
    """Write the line when the call has ended, however it did."""
    try:
        yield
    finally:
        line: dict[str, Any] = {
            "method": call.method,
            "listener": call.listener.value,
            "status": call.status.name,
            "duration_ms": round(call.seconds * 1000, 3),
        }
        if call.reason:
            line["reason"] = call.reason
        match call.identity:
            case Caller(subject=subject, organization_id=organization_id, role=role):
                line |= {"subject": subject, "organization_id": organization_id, "role": role.value}
            case Peer(service=service):
                line["peer"] = service
        line |= call.notes
        (log.warning if call.status in _OURS else log.info)("call.served", **line)
