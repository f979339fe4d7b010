"""Ids for many intents at once, in the order in which they were submitted. Knows nothing of what they name."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from kernel.ids import random_numbers

_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)
_COUNTER = 1 << 12


def batch_ids(now: datetime, count: int) -> Iterator[UUID]:
    """Yield UUIDv7 in ascending order: after the milliseconds of `now` a counter (RFC 9562, method 1), then chance."""
    milliseconds = int(now.timestamp() * 1000)
    for place, chance in enumerate(random_numbers(count)):
        more, counter = divmod(place, _COUNTER)
        yield UUID(int=(milliseconds + more) << 80 | _VERSION_AND_VARIANT | counter << 64 | chance >> 2)
