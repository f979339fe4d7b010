"""Ids for many intents at once, in the order in which they were submitted. Knows nothing of what they name."""

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)
_RANDOM_BYTES = 8
_RANDOM_MASK = (1 << 62) - 1
_COUNTER = 1 << 12


def batch_ids(now: datetime, count: int) -> Iterator[UUID]:
    """Yield UUIDv7 in ascending order: after the milliseconds of `now` a counter (RFC 9562, method 1), then chance."""
    milliseconds = int(now.timestamp() * 1000)
    random = os.urandom(_RANDOM_BYTES * count)
    for place in range(count):
        more, counter = divmod(place, _COUNTER)
        chance = int.from_bytes(random[place * _RANDOM_BYTES : (place + 1) * _RANDOM_BYTES]) & _RANDOM_MASK
        yield UUID(int=(milliseconds + more) << 80 | _VERSION_AND_VARIANT | counter << 64 | chance)
