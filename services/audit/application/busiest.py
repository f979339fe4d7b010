"""Keep the numbers of the organizations that record most at hand, for whoever watches this process. Knows no meter."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

import structlog

from audit.domain.arrival import Arrival
from audit.domain.metrics import OrganizationMetrics
from kernel.errors import Failure

MOST_ORGANIZATIONS = 10
WINDOW_MINUTES = 5
EVERY_SECONDS = 15.0

log = structlog.get_logger()


class Measure(Protocol):
    """Return the numbers of an organization."""

    def __call__(self, *, organization_id: str, campaign_id: str, minutes: int) -> Awaitable[OrganizationMetrics]: ...


class Busiest:
    """The organizations that recorded most lately, and their numbers as they were last read."""

    def __init__(self) -> None:
        self.numbers: Mapping[str, OrganizationMetrics] = {}
        self._recorded: Counter[str] = Counter()

    def note(self, arrivals: Sequence[Arrival]) -> None:
        """Count what was stored."""
        self._recorded.update(arrival.organization_id for arrival in arrivals if arrival.organization_id)

    async def refresh(self, measure: Measure) -> None:
        """Read the numbers of the busiest anew; what was recorded before counts half from now on."""
        chosen = [organization_id for organization_id, _ in self._recorded.most_common(MOST_ORGANIZATIONS)]
        self._recorded = Counter({one: events // 2 for one, events in self._recorded.items() if events > 1})
        self.numbers = {
            one: await measure(organization_id=one, campaign_id="", minutes=WINDOW_MINUTES) for one in chosen
        }

    async def keep_fresh(self, stop: asyncio.Event, *, measure: Measure) -> None:
        """Refresh now and then until `stop`."""
        while not stop.is_set():
            try:
                await self.refresh(measure)
            except Failure as failure:
                log.warning("busiest.postponed", reason=failure.reason, problem=failure.message)
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
