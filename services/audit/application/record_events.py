"""Take batches of events: keep what is new, set aside what cannot be, tell those who watch. Knows no bytes' meaning."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from audit.domain.arrival import Arrival, Refused, Sorted, sort_out
from kernel.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a call's batch came to: the events that are new, and all items that were set aside."""

    new: tuple[Arrival, ...]
    refused: tuple[Refused, ...]


class EventLog(Protocol):
    """Where events are kept for good."""

    async def keep(self, calls: Sequence[Sorted]) -> Sequence[Kept]:
        """Store what is new, with what it adds to the numbers, and set aside the rest, in one commit for all calls."""
        ...


class Parse(Protocol):
    """How an item's bytes become an arrival, or say why not."""

    def __call__(self, position: int, body: bytes, *, peer: str, recorded_at: datetime) -> Arrival | Refused:
        """Read one item."""
        ...


async def record_events(
    items: Sequence[bytes],
    *,
    peer: str,
    parse: Parse,
    keep: Callable[[Sorted], Awaitable[Kept]],
    clock: Clock,
) -> Kept:
    """Store the events that `peer` sent, each once; nothing in the batch holds up the rest of it."""
    now = clock.now()
    return await keep(
        sort_out(parse(position, body, peer=peer, recorded_at=now) for position, body in enumerate(items))
    )


async def keep_together(
    calls: Sequence[Sorted], *, log: EventLog, announce: Callable[[Sequence[Arrival]], None]
) -> Sequence[Kept]:
    """Store what several calls brought; what is stored is told of even if its call is no longer waited for."""
    kept = await log.keep(calls)
    announce([arrival for call in kept for arrival in call.new])
    return kept
