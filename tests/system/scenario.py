"""What system tests share: a running system, organizations in it, leads without end, and waiting for what must come."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from console.connection import Clients, clients
from console.leads import Lead
from console.pki import mint_token
from console.ports import find_free
from console.provision import provision
from console.submission import RowResult, submit
from console.system import System, running_system
from whatlead.audit.v1 import event_pb2, metrics_pb2

STEADY = {
    "latency": {"low": 0.1, "high": 0.3},
    "sent_delay": {"low": 0.3, "high": 0.6},
    "delivered_delay": {"low": 0.6, "high": 1.0},
    "read_delay": {"low": 1.0, "high": 2.0},
}
"""A provider that never errs but takes its time, so that sends are under way when something breaks."""

Value = TypeVar("Value")


def leads(count: int, *, campaign: str = "campaign-1", instance: str = "", start: int = 0) -> list[Lead]:
    """Return leads with distinct mobile numbers of São Paulo."""
    return [
        Lead(
            line=number + 2,
            lead_id=f"{campaign}-{number:05d}",
            name="Ana",
            phone=f"+55119{60000000 + number}",
            campaign_id=campaign,
            category="UTILITY",
            instance_id=instance,
            template="boas_vindas_v2",
        )
        for number in range(start, start + count)
    ]


async def eventually(
    ask: Callable[[], Awaitable[Value]], holds: Callable[[Value], bool], *, seconds: float = 60.0
) -> Value:
    """Ask until the answer holds, and return it; fail with the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds(answer := await ask()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {answer}"
        await asyncio.sleep(0.1)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A running system and an organization in it, by default with three instances and the demo's policy."""

    system: System
    organization: str
    stubs: Clients

    async def submit(self, batch: Sequence[Lead], *, hold_if_paused: bool = False) -> list[RowResult]:
        """Submit leads and return their results."""
        rounds = submit(self.stubs, batch, run=self.organization, hold_if_paused=hold_if_paused)
        return [result async for results in rounds for result in results]

    async def volume(self) -> metrics_pb2.Volume:
        """Return what audit has counted so far."""
        request = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60)
        return (await self.stubs.metrics.GetOrganizationMetrics(request, timeout=30)).volume

    async def sent_reaches(self, count: int, *, seconds: float = 60.0) -> None:
        """Wait until at least `count` messages were sent."""
        await eventually(self.volume, lambda volume: volume.sent.total >= count, seconds=seconds)

    async def has_arrived(self, intent_id: str) -> None:
        """Wait until audit has the first event of an intent; it learns of it after the gate's commit."""

        async def events() -> int:
            request = event_pb2.ListEventsRequest(aggregate_id=intent_id, page_size=1)
            return len((await self.stubs.events.ListEvents(request, timeout=30)).events)

        await eventually(events, bool, seconds=20)


@asynccontextmanager
async def running(
    folder: Path, *, executors: int = 1, profile: dict[str, object] | str = "clean", **extra: str
) -> AsyncIterator[System]:
    """Start a system of its own in `folder`. `extra` is added to the environment of its processes."""
    if isinstance(profile, dict):
        path = folder / "profile.json"
        path.write_text(json.dumps(profile))
        profile = str(path)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = find_free(executors, lowest=10_000 + 5_000 * worker)
    async with running_system(folder / "data", ports, executors=executors, profile=profile, extra=extra) as system:
        yield system


@asynccontextmanager
async def organization(
    system: System, name: str, *, role: str = "owner", ready: bool = True
) -> AsyncIterator[Scenario]:
    """Act as `role` of an organization; it is provisioned unless `ready` is false."""
    token = mint_token(system.data_dir, subject=f"{role}-of-{name}", organization_id=name, role=role)
    async with clients(system.connection, token) as stubs:
        if ready:
            await provision(stubs)
        yield Scenario(system=system, organization=name, stubs=stubs)
