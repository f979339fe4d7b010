"""Measure audit on a large log: `python -m tests.bench.volume 1 10 50` (millions of events, filled one after another).

At each size: events a second through RecordEvents over mTLS beside plain COPY of the same rows into a table with the
same indexes, in alternating turns; how long timelines and metrics take, asked over gRPC one at a time. Only audit runs,
with sealing on. Writes build/volume.json. A million events take some 20 s and 0.9 GB of disk.
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import asyncpg
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from tests.bench import events, stored_events
from tests.bench.audit_alone import audit_alone, processes
from tests.bench.governed import ENVIRONMENT, rest
from tests.bench.machine import commit, machine, versions
from tests.bench.processor_time import used_per_message
from tests.bench.samples import percentile
from tests.bench.traffic import in_flight, looks
from tests.stores.audit.facts import NOW, record

from audit.domain.arrival import Arrival
from audit.infrastructure.parsing import parse
from chassis.database import Database
from console.connection import Clients, clients
from console.pki import mint_token
from console.ports import find_free
from console.system import System, running_system
from kernel.ids import uuid7_at
from whatlead.audit.v1 import metrics_pb2, timeline_pb2

_ROOT = Path(__file__).parents[2]
_BATCHES = (500, 100)
_EVENTS = 100_000
_TURNS = 4
_IN_FLIGHT = 4
_ASKED = 300
_WINDOWS = (60, 44_640)
_COLUMNS = tuple(
    "event_type" if name == "type" else name for name in Arrival._fields[: Arrival._fields.index("body") + 1]
)

_NEWEST_EVENT = """
SELECT CAST(CAST(max(xid8) AS text) AS bigint) FROM operational_event
WHERE event_id >= event_id_floor(now() - interval '30 minutes')
"""
_NEWEST_LEAF = "SELECT transaction_id FROM evidence_leaf ORDER BY position DESC LIMIT 1"


@dataclass(slots=True)
class Figures:
    """What was measured at one size: values by figure."""

    events: int
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, *values: float) -> None:
        self.values.setdefault(name, []).extend(values)
        sys.stderr.write(f"    {name}: {', '.join(f'{value:,.4g}' for value in values)}\n")

    def shown(self, name: str) -> str:
        values = self.values[name]
        return f"{median(values):,.4g}" + (f" [{min(values):,.4g}-{max(values):,.4g}]" if len(values) > 1 else "")


async def measure(folder: Path, sizes: Sequence[int]) -> tuple[list[Figures], str]:
    """Fill, measure, and go on to the next size. Returns the figures and PostgreSQL's version."""
    found = []
    async with running_system(folder, find_free(1), profile="clean", extra=ENVIRONMENT) as system:
        await rest(system)
        connection = await asyncpg.connect(
            system.postgres.url(user="postgres", database="whatlead"), command_timeout=3_600
        )
        try:
            await stored_events.prepare(connection)
            async with audit_alone(system) as take_in:
                await take_in(events.batches(1, 1)[0])
                await _sealed(connection)
            stored = 0
            for size in sizes:
                await stored_events.fill(connection, stored, size)
                stored = size
                found.append(await _measure_at(size, system, connection))
            return found, await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()


async def _measure_at(size: int, system: System, connection: asyncpg.Connection) -> Figures:
    figures = Figures(size)
    reader = mint_token(system.data_dir, subject="bench", organization_id=stored_events.ORGANIZATIONS[0], role="owner")
    async with audit_alone(system), clients(system.connection, reader) as stubs:
        await _ask_timelines(figures, stubs, system)
        await _ask_metrics(figures, stubs)
    for batch in _BATCHES:
        for turn in range(_TURNS):
            for contestant in (_copy, _ingest) if turn % 2 else (_ingest, _copy):
                await contestant(figures, batch, system, connection)
        ours, theirs = (figures.values[f"{name}, {batch} a batch: events/s"] for name in ("ingest", "COPY"))
        figures.add(f"ingest of COPY, {batch} a batch", *(one / other for one, other in zip(ours, theirs, strict=True)))
    return figures


async def _sealed(connection: asyncpg.Connection) -> None:
    """Wait until every event that was recorded or copied is a leaf, so that no turn pays for the one before."""
    newest = await connection.fetchval(_NEWEST_EVENT)
    async for _ in looks("every event sealed", every=0.2):
        if (await connection.fetchval(_NEWEST_LEAF) or 0) >= newest:
            return


async def _ingest(figures: Figures, batch: int, system: System, connection: asyncpg.Connection) -> None:
    """Take events in through RecordEvents."""
    made = events.batches(_EVENTS, batch)
    async with audit_alone(system) as take_in:
        counted = processes(system)
        await _sealed(connection)
        await connection.execute("CHECKPOINT")
        before, begun = counted.seconds(), time.perf_counter()
        await in_flight(made, take_in, limit=_IN_FLIGHT)
        figures.add(f"ingest, {batch} a batch: events/s", _EVENTS / (time.perf_counter() - begun))
        used = used_per_message(before, counted.seconds(), _EVENTS)
    for name in ("audit", "postgresql", "client"):
        figures.add(f"ingest, {batch} a batch: CPU µs an event: {name}", used[name])


async def _copy(figures: Figures, batch: int, system: System, connection: asyncpg.Connection) -> None:
    """COPY the same columns into the same table, a commit a batch, while audit is stopped."""
    now = datetime.now(UTC)
    made = [
        [tuple(parse(0, body, peer="executor", recorded_at=now))[: len(_COLUMNS)] for body in bodies]
        for bodies in events.batches(_EVENTS, batch)
    ]
    async with audit_alone(system):
        await _sealed(connection)
    await connection.execute("CHECKPOINT")
    url = system.processes["audit"].environment["WHATLEAD_DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=_IN_FLIGHT, max_size=_IN_FLIGHT) as pool:

        async def copy(rows: Sequence[tuple[object, ...]]) -> None:
            async with pool.acquire() as one:
                await one.copy_records_to_table(
                    "operational_event", schema_name="audit", columns=_COLUMNS, records=rows
                )

        begun = time.perf_counter()
        await in_flight(made, copy, limit=_IN_FLIGHT)
        figures.add(f"COPY, {batch} a batch: events/s", _EVENTS / (time.perf_counter() - begun))


async def _ask_timelines(figures: Figures, stubs: Clients, system: System) -> None:
    """Put lives anywhere into the sixty days; ask for each of them for the first time, then again."""
    chance = random.Random(figures.events)
    moments = [NOW - timedelta(seconds=chance.uniform(100, 59 * 86_400)) for _ in range(_ASKED)]
    intents = [(str(uuid7_at(moment)), moment) for moment in moments]
    database = Database.connect(system.processes["audit"].environment["WHATLEAD_DATABASE_URL"], application="bench")
    for intent_id, created in intents:
        await record(database, *events.life(intent_id, created))
    await database.close()

    async def ask(intent_id: str) -> None:
        request = timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id)
        answer = await stubs.timelines.GetMessageIntentTimeline(request, timeout=30)
        if len(answer.entries) != events.ENTRIES:
            raise RuntimeError(f"the timeline of {intent_id} has {len(answer.entries)} entries, not {events.ENTRIES}")

    for label in ("timeline, first asked", "timeline, asked again"):
        _add_times(figures, label, [await _timed(ask(intent_id)) for intent_id, _ in intents])


async def _ask_metrics(figures: Figures, stubs: Clients) -> None:
    """Ask for the short and the longest window."""
    for minutes in _WINDOWS:
        of_all = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=minutes)
        of_one = metrics_pb2.GetInstanceMetricsRequest(window_minutes=minutes, instance_id="inst-1")
        taken = [await _timed(stubs.metrics.GetOrganizationMetrics(of_all, timeout=30)) for _ in range(_ASKED)]
        _add_times(figures, f"organization's metrics of {minutes:,} minutes", taken)
        taken = [await _timed(stubs.metrics.GetInstanceMetrics(of_one, timeout=30)) for _ in range(_ASKED)]
        _add_times(figures, f"instance's metrics of {minutes:,} minutes", taken)


async def _timed(call: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await call
    return (time.perf_counter() - begun) * 1_000


def _add_times(figures: Figures, name: str, taken: Sequence[float]) -> None:
    for share in (0.5, 0.99):
        figures.add(f"{name}: p{share * 100:.0f} ms", percentile(taken, share))


def _table(found: Sequence[Figures]) -> Table:
    shown = Table(box=box.MARKDOWN, title=f"medians and ranges of {_TURNS} alternating turns; {_ASKED} questions each")
    shown.add_column("")
    for figures in found:
        shown.add_column(f"{figures.events:,} events", justify="right")
    for name in found[0].values:
        shown.add_row(name, *(figures.shown(name) for figures in found))
    return shown


def main() -> None:
    """Measure at the sizes asked for, and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.volume", description=__doc__.partition("\n")[0])
    parser.add_argument("millions", type=float, nargs="+", help="sizes of the log, rising")
    sizes = [round(millions * 1_000_000) for millions in parser.parse_args().millions]
    folder = _ROOT / "build" / "volume"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    about = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(_ROOT),
        "machine": machine(),
    }
    try:
        found, postgresql = uvloop.run(measure(folder, sizes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {**about, "versions": versions(postgresql), "figures": {one.events: one.values for one in found}}
    (_ROOT / "build" / "volume.json").write_text(json.dumps(result, indent=2) + "\n")
    Console(width=None if sys.stdout.isatty() else 160).print(_table(found))


if __name__ == "__main__":
    main()
