"""Identifiers that carry their creation time (UUIDv7, RFC 9562). Knows nothing of what they name."""

import os
import time
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID

OrganizationId = NewType("OrganizationId", str)
InstanceId = NewType("InstanceId", str)
CampaignId = NewType("CampaignId", str)
IntentId = NewType("IntentId", UUID)
EventId = NewType("EventId", UUID)
ControlId = NewType("ControlId", UUID)

_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)
_RANDOM_BITS = ((1 << 12) - 1) << 64 | ((1 << 62) - 1)


def _assemble(milliseconds: int) -> UUID:
    random = int.from_bytes(os.urandom(16)) & _RANDOM_BITS
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | random)


def uuid7() -> UUID:
    """Return a new identifier whose first 48 bits are the wall clock in milliseconds."""
    return _assemble(time.time_ns() // 1_000_000)


def uuid7_at(moment: datetime) -> UUID:
    """Return a new identifier created at `moment` (aware)."""
    return _assemble(int(moment.timestamp() * 1000))


def moment_of(identifier: UUID) -> datetime:
    """Return the creation time that a UUIDv7 carries, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
