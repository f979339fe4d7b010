"""Count what happened in a window. Knows no rows and no wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from audit.domain.arrival import Reading
from audit.domain.metrics import (
    InstanceMetrics,
    OrganizationMetrics,
    Parts,
    Sum,
    Waiting,
    Window,
    in_parts,
    of_instance,
    of_organization,
    window_start,
)
from audit.domain.series import Point, Steps, points
from kernel.clock import Clock

# Services measure every 10 s while work waits, and not at all while none does.
BACKLOG_HOLDS_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The sums of a window as they are kept: by instance, type and reason, and each instance's highest reading."""

    sums: Sequence[Sum]
    peaks: Mapping[str, Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptParts:
    """The sums of a window and the highest readings, by instance or campaign."""

    sums: Mapping[str, Sequence[Sum]]
    peaks: Mapping[str, Reading]


class Breakdown(StrEnum):
    """What numbers are broken down by."""

    INSTANCE = "INSTANCE"
    CAMPAIGN = "CAMPAIGN"


class Sums(Protocol):
    """Where the sums are kept. `start` is a full minute, an empty `campaign_id` means all."""

    async def of_instance(self, organization_id: str, instance_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of one instance since `start`."""
        ...

    async def of_organization(self, organization_id: str, *, campaign_id: str, start: datetime) -> Kept:
        """Return the sums of all instances since `start`."""
        ...

    async def of_points(
        self, organization_id: str, steps: Steps, *, instance_id: str, campaign_id: str, start: datetime
    ) -> Mapping[datetime, Sequence[Sum]]:
        """Return the sums of each point since `start` by the point's start, without reasons."""
        ...

    async def of_parts(self, organization_id: str, by: Breakdown, *, start: datetime) -> KeptParts:
        """Return the sums of each instance or campaign since `start`, without reasons."""
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


async def measure_series(
    *, organization_id: str, instance_id: str, campaign_id: str, steps: Steps, sums: Sums, clock: Clock
) -> tuple[Point, ...]:
    """Return the numbers of an organization, or of one instance or campaign of it, as points in time."""
    start = steps.start(clock.now())
    kept = await sums.of_points(organization_id, steps, instance_id=instance_id, campaign_id=campaign_id, start=start)
    return points(steps, start, clock.now(), kept)


async def measure_parts(
    *, organization_id: str, by: Breakdown, minutes: int, most: int, sums: Sums, clock: Clock
) -> Parts:
    """Return the numbers of each instance or campaign, of at most `most` that sent most."""
    start = window_start(minutes, clock.now())
    kept = await sums.of_parts(organization_id, by, start=start)
    return in_parts(_window(start, clock), kept.sums, kept.peaks, most=most)


def _window(start: datetime, clock: Clock) -> Window:
    """End the window after the sums were read: whatever they hold occurred before that."""
    return Window(start=start, end=clock.now())
