"""Count what happened in a window. Knows no rows and no wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from audit.domain.arrival import Reading
from audit.domain.metrics import (
    InstanceMetrics,
    OrganizationMetrics,
    Sum,
    Waiting,
    Window,
    of_instance,
    of_organization,
    window_start,
)
from kernel.clock import Clock

# Services measure every 10 s while work waits, and not at all while none does.
BACKLOG_HOLDS_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The sums of a window as they are kept: by instance, type and reason, and each instance's highest reading."""

    sums: Sequence[Sum]
    peaks: Mapping[str, Reading]


class Sums(Protocol):
    """Where the sums are kept. `start` is a full minute, an empty `campaign_id` means all."""

    async def of_instance(self, organization_id: str, instance_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of one instance since `start`."""
        ...

    async def of_organization(self, organization_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of all instances since `start`."""
        ...

    async def backlogs(self, organization_id: str, *, start: datetime) -> Sequence[Waiting]:
        """Return the newest measurement of each service, if it was made since `start`."""
        ...


async def measure_instance(
    *, organization_id: str, instance_id: str, campaign_id: str, minutes: int, sums: Sums, clock: Clock
) -> InstanceMetrics:
    """Return the numbers of one instance; zeros for one that nothing happened to."""
    start = window_start(minutes, clock.now())
    kept = await sums.of_instance(organization_id, instance_id, campaign_id=campaign_id, start=start)
    return of_instance(_window(start, clock), kept.sums, kept.peaks.get(instance_id))


async def measure_organization(
    *, organization_id: str, campaign_id: str, minutes: int, sums: Sums, clock: Clock
) -> OrganizationMetrics:
    """Return the numbers of an organization and how they spread over its instances."""
    start = window_start(minutes, clock.now())
    kept = await sums.of_organization(organization_id, campaign_id=campaign_id, start=start)
    backlogs = await sums.backlogs(organization_id, start=clock.now() - BACKLOG_HOLDS_FOR)
    return of_organization(_window(start, clock), kept.sums, kept.peaks, backlogs)


def _window(start: datetime, clock: Clock) -> Window:
    """End the window after the sums were read: whatever they hold occurred before that."""
    return Window(start=start, end=clock.now())
