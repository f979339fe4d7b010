"""Show a campaign while it runs: a line that repaints on a terminal, a line now and then elsewhere. Decides nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from console.connection import Clients
from console.output import on_terminal, table
from whatlead.audit.v1 import metrics_pb2

_REPAINT_SECONDS = 0.5
_PRINT_SECONDS = 3.0
_WINDOW_MINUTES = 30


@dataclass(slots=True, kw_only=True)
class Progression:
    """What is known of a running campaign; the demo writes it and the view reads it."""

    rows: int
    phase: str = "submitting"
    submitted: int = 0
    numbers: metrics_pb2.GetOrganizationMetricsResponse = field(
        default_factory=metrics_pb2.GetOrganizationMetricsResponse
    )
    refreshed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sent(self) -> int:
        return self.numbers.volume.sent.total

    @property
    def blocked(self) -> int:
        return self.numbers.volume.blocked.total

    @property
    def answered(self) -> int:
        """How many rows came to an end, some counted twice: a message can fail after it was sent."""
        return self.sent + self.blocked + self.numbers.volume.failed.total + self.numbers.volume.unknown.total

    def line(self) -> str:
        """Return where it stands, in one line."""
        volume = self.numbers.volume
        reasons = ", ".join(f"{one.reason} {one.total}" for one in self.numbers.blocked_by_reason)
        return (
            f"{self.phase}: {self.submitted} of {self.rows} submitted, {self.sent} sent, "
            f"{self.blocked} blocked{f' ({reasons})' if reasons else ''}, {volume.queued.total} times queued, "
            f"{volume.held.total} times held, {volume.failed.total} failed, {volume.unknown.total} unknown, "
            f"{volume.delivered.total} delivered"
        )

    def picture(self) -> Table:
        """Return where it stands, as a small table with a bar."""
        bar = Progress(TextColumn("{task.description}"), BarColumn(60), TextColumn("{task.completed} of {task.total}"))
        bar.add_task(self.phase, total=self.rows, completed=self.sent + self.blocked)
        volume = self.numbers.volume
        cells = [
            ("submitted", self.submitted),
            ("sent", self.sent),
            *((f"blocked: {one.reason}", one.total) for one in self.numbers.blocked_by_reason),
            ("queued", volume.queued.total),
            ("held by a pause", volume.held.total),
            ("tried again", volume.retried.total),
            ("failed", volume.failed.total),
            ("outcome unknown", volume.unknown.total),
            ("delivered", volume.delivered.total),
        ]
        grid = Table.grid()
        grid.add_row(bar)
        grid.add_row(table("", ("messages", ""), cells))
        return grid


async def _refresh(clients: Clients, progression: Progression) -> None:
    request = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=_WINDOW_MINUTES)
    while True:
        progression.numbers = await clients.metrics.GetOrganizationMetrics(request, timeout=30)
        progression.refreshed.set()
        progression.refreshed.clear()
        await asyncio.sleep(_REPAINT_SECONDS)


async def _paint(progression: Progression) -> None:
    if on_terminal():
        with Live(progression.picture(), console=Console(), transient=True) as live:
            while True:
                await progression.refreshed.wait()
                live.update(progression.picture())
    shown = 0.0
    while True:
        await progression.refreshed.wait()
        if time.monotonic() - shown >= _PRINT_SECONDS:
            shown = time.monotonic()
            print(progression.line(), flush=True)


@asynccontextmanager
async def live_view(clients: Clients, progression: Progression) -> AsyncIterator[None]:
    """Refresh and show `progression` until the block ends; then show its last line."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_refresh(clients, progression)), group.create_task(_paint(progression))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
    print(progression.line(), flush=True)
