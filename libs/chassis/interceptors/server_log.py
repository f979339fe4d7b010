"""One log line for every call served. Knows who called and how it ended, never what was in it.

Services call each other many times a second: what went well between them is of the level debug.
"""

import logging
from typing import Any

import grpc
import structlog

from chassis.identity import Caller, Peer
from chassis.interceptors.call import Behaviour, Call, Listener

_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE})

log = structlog.get_logger("chassis.calls")


async def log_line(serve: Behaviour, call: Call) -> bytes:
    """Write the line when the call has ended, however it did."""
    try:
        return await serve(call)
    finally:
        _write(call)


def _write(call: Call) -> None:
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
    log.log(_level(call), "call.served", **line)


def _level(call: Call) -> int:
    if call.status in _OURS:
        return logging.WARNING
    well = call.status is grpc.StatusCode.OK
    return logging.DEBUG if well and call.listener is Listener.INTERNAL else logging.INFO
