"""Measure what an organization waits while another's 100,000 messages are being sent: `python -m tests.bench.fairness`.

A hundred messages, ten a second, from the submit to the beginning of the provider call: first alone, then while the
other organization submits and sends as much as it can; with a provider that does nothing and with one that takes its
time and has so many places. Each turn is a system of its own. Writes build/fairness.json. Asserts nothing.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from tests.bench import governed, latency
from tests.bench.loads import FULL
from tests.bench.machine import commit, machine
from tests.bench.samples import Unfinished, percentile
from tests.bench.slow_provider import slow_executor
from tests.bench.traffic import looks

from console.connection import Clients
from console.ports import find_free
from console.system import System, running_system
from whatlead.audit.v1 import metrics_pb2

_ROOT = Path(__file__).parents[2]
_BUSY = "busy"
_BUSY_MESSAGES = 100_000
_BUSY_BEGUN = 2_000
_MESSAGES = 100
_A_SECOND = 10
_TURNS = 3
_PROMISED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Milliseconds of each message, alone and beside the busy organization, and what that one sent meanwhile.

    Of the messages beside it also how long they took to be approved: the rest of the time they were with the executor.
    """

    alone: list[float]
    beside: list[float]
    beside_approved: list[float]
    busy_a_second: float

    def p95(self) -> tuple[float, float]:
        """Return it alone and beside."""
        return percentile(self.alone, 0.95), percentile(self.beside, 0.95)

    def times(self) -> float:
        """Return how many times as long the p95 is beside the busy organization."""
        alone, beside = self.p95()
        return beside / alone


async def measure(folder: Path, *, slow: bool) -> Turn:
    """Take one turn in a system of its own."""
    async with _both(folder, slow=slow) as (stubs, busy):
        await governed.submit_bulk(stubs, governed.new_campaign(), FULL.warm_up, FULL)
        alone, _ = await _latencies(stubs)
        campaign = governed.new_campaign()
        crowd = asyncio.create_task(governed.submit_bulk(busy, campaign, _BUSY_MESSAGES, FULL))
        try:
            async for _ in looks(f"{_BUSY_BEGUN} messages of {_BUSY} sent", every=0.1):
                if crowd.done():
                    await crowd
                if (begun := await _sent(busy, campaign)) >= _BUSY_BEGUN:
                    break
            start = asyncio.get_running_loop().time()
            beside, approved = await _latencies(stubs)
            sent = await _sent(busy, campaign)
            if sent >= _BUSY_MESSAGES:
                raise Unfinished(f"{_BUSY} had sent everything before the end: there was nothing to wait beside")
            seconds = asyncio.get_running_loop().time() - start
        finally:
            crowd.cancel()
            with suppress(asyncio.CancelledError):
                await crowd
    return Turn(alone=alone, beside=beside, beside_approved=approved, busy_a_second=(sent - begun) / seconds)


@asynccontextmanager
async def _both(folder: Path, *, slow: bool) -> AsyncIterator[tuple[Clients, Clients]]:
    """Give stubs of the organization that is measured and of the busy one."""
    async with AsyncExitStack() as stack:
        system: System = await stack.enter_async_context(
            running_system(folder, find_free(1), profile="clean", extra=governed.ENVIRONMENT)
        )
        if slow:
            await system.processes["executor"].stop()
            stack.enter_context(slow_executor(system))
        stubs = await stack.enter_async_context(governed.working(system))
        yield stubs, await stack.enter_async_context(governed.acting_as(system, _BUSY))


async def _latencies(stubs: Clients) -> tuple[list[float], list[float]]:
    """Return the milliseconds until each message's provider call began, and until it was approved."""
    campaign = governed.new_campaign()
    submitted = await latency.submit_steadily(stubs, campaign, _MESSAGES, per_second=_A_SECOND)
    await governed.all_sent(stubs, campaign, _MESSAGES)
    return (
        await latency.milliseconds(stubs, campaign, submitted, until="began_at"),
        await latency.milliseconds(stubs, campaign, submitted, until="approved_at"),
    )


async def _sent(stubs: Clients, campaign: str) -> int:
    request = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60, campaign_id=campaign)
    return (await stubs.metrics.GetOrganizationMetrics(request, timeout=30)).volume.sent.total


def table(found: dict[str, list[Turn]]) -> Table:
    """Show the medians over the turns, and whether the promise held in each of them."""
    shown = Table(
        box=box.MARKDOWN,
        title=f"{_MESSAGES} messages beside {_BUSY_MESSAGES:,} of another organization; medians of {_TURNS}",
    )
    for column in (
        "provider",
        "p95 alone, ms",
        "p95 beside, ms",
        "to approval",
        "times",
        f"within {_PROMISED:g} times",
        "other's /s",
    ):
        shown.add_column(column, justify="left" if column == "provider" else "right")
    for name, turns in found.items():
        times = [turn.times() for turn in turns]
        shown.add_row(
            name,
            f"{median(turn.p95()[0] for turn in turns):.1f}",
            f"{median(turn.p95()[1] for turn in turns):.1f}",
            f"{median(percentile(turn.beside_approved, 0.95) for turn in turns):.1f}",
            f"{median(times):.2f} [{min(times):.2f}-{max(times):.2f}]",
            f"{sum(one <= _PROMISED for one in times)} of {len(times)}",
            f"{median(turn.busy_a_second for turn in turns):,.0f}",
        )
    return shown


async def _measure_all(folder: Path) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = {"answers at once": [], "takes its time": []}
    for number in range(_TURNS):
        for name, turns in found.items():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            turns.append(await measure(folder, slow=turns is found["takes its time"]))
            sys.stderr.write(f"turn {number + 1}, {name}: {turns[-1].times():.2f} times\n")
    return found


def main() -> None:
    """Measure, print, write."""
    argparse.ArgumentParser(prog="python -m tests.bench.fairness", description=__doc__.partition("\n")[0]).parse_args()
    folder = _ROOT / "build" / "fairness"
    about = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(_ROOT),
        "machine": machine(),
    }
    try:
        found = uvloop.run(_measure_all(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {**about, "turns": {name: [asdict(turn) for turn in turns] for name, turns in found.items()}}
    (_ROOT / "build" / "fairness.json").write_text(json.dumps(result, indent=2) + "\n")
    Console(width=None if sys.stdout.isatty() else 160).print(table(found))


if __name__ == "__main__":
    main()
