"""Identifiers that carry their creation time (UUIDv7, RFC 9562). Knows nothing of what they name."""

import os
import time
from array import array
from datetime import UTC, datetime
from itertools import chain
from typing import NewType
from uuid import UUID

OrganizationId = NewType("OrganizationId", str)
ControlId = NewType("ControlId", UUID)
SessionId = NewType("SessionId", UUID)

_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)
_RANDOM_BITS = 74
_DRAWN_BITS = 64
_LOW_BITS = (1 << 62) - 1
_BLOCK = 100


def random_numbers(count: int) -> "array[int]":
    """Return random numbers of 64 bits, read from the system at once."""
    return array("Q", os.urandom(_DRAWN_BITS // 8 * count))


_random = chain.from_iterable(iter(lambda: random_numbers(_BLOCK), None))
_newest = 0


def _assemble(number: int) -> UUID:
    """Put version and variant into a number of 122 bits: 48 of time, then 12 and 62 of what follows it."""
    milliseconds, upper, lower = number >> 74, number >> 62 & 0xFFF, number & _LOW_BITS
    return UUID(int=milliseconds << 80 | upper << 64 | lower | _VERSION_AND_VARIANT)


def uuid7() -> UUID:
    """Return a new identifier whose first 48 bits are the wall clock in milliseconds.

    Those of one process ascend in the order they were made, also within a millisecond and when the clock is set back.
    """
    global _newest  # the only state: what was given last
    number = time.time_ns() // 1_000_000 << _RANDOM_BITS | next(_random) << _RANDOM_BITS - _DRAWN_BITS
    _newest = number if number > _newest else _newest + 1 + (next(_random) >> 32)
    return _assemble(_newest)


def uuid7_at(moment: datetime) -> UUID:
    """Return a new identifier created at `moment` (aware)."""
    return _assemble(int(moment.timestamp() * 1000) << _RANDOM_BITS | next(_random) << _RANDOM_BITS - _DRAWN_BITS)


def uuid7_floor(moment: datetime) -> UUID:
    """Return the lowest identifier of `moment` (aware), to the millisecond."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def moment_of(identifier: UUID) -> datetime:
    """Return the creation time that a UUIDv7 carries, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
