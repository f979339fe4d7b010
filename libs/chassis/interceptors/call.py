"""The record of one call being served, which the layers around it share. Knows no rule of any layer."""

import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import grpc
from google.protobuf.message import Message

from chassis.identity import Identity


class Listener(StrEnum):
    """Where a call came in: it decides how its identity is known."""

    PUBLIC = "public"
    INTERNAL = "internal"


@dataclass(slots=True, kw_only=True)
class Call:
    """One call. Layers write what they learn; the outer ones read it when the call has ended."""

    method: str
    listener: Listener
    streaming: bool
    context: grpc.aio.ServicerContext[Any, Any]
    metadata: Iterable[tuple[str, str | bytes]]
    raw_request: bytes
    request: Message | None = None
    identity: Identity | None = None
    status: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""
    stopping: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self.started


Behaviour = Callable[[Call], Awaitable[bytes]]
Layer = Callable[[Behaviour, Call], Awaitable[bytes]]
"""Does its part before and after the behaviour inside of it."""

current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


def note(**values: str | float | bool) -> None:
    """Add `values` (as `items=200`) to the log line of the call being served. Never a recipient, body or token."""
    call = current_call.get()
    if call is not None:
        call.notes.update(values)
