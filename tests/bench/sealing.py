"""Measure what sealing costs those who record: `python -m tests.bench.sealing` (some 5 minutes).

The same audit takes in the same load with its sealer at work and with the sealer's lock held by the benchmark, in
alternating turns: at a pace that leaves time, and as fast as it goes. A turn with the sealer counts the processor time
until its last event is sealed. Writes build/sealing.json.
"""

import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import asyncpg
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from tests.bench import events
from tests.bench.audit_alone import TakeIn, audit_alone, processes
from tests.bench.governed import ENVIRONMENT, rest
from tests.bench.machine import commit, machine, versions
from tests.bench.processor_time import used_per_message
from tests.bench.samples import percentile
from tests.bench.traffic import at_rate, in_flight, looks

from console.ports import find_free
from console.system import System, running_system

_ROOT = Path(__file__).parents[2]
_PAIRS = 6
_BATCH = 100
_PACE = 2_000  # events a second
_PACED = 20_000
_FULL = 60_000
_IN_FLIGHT = 4
_LEAVES = "SELECT coalesce(max(position) + 1, 0) FROM evidence_leaf"
_LOCK = "hashtextextended('audit.seal', 0)"  # as in lock_sealing.sql

Load = Callable[[Sequence[list[bytes]], TakeIn], Awaitable[None]]
Turn = Mapping[str, float]


async def measure(folder: Path) -> tuple[dict[str, list[tuple[Turn, Turn]]], str]:
    """Return by load what each pair of turns, sealed and not, came to; and PostgreSQL's version."""
    found: dict[str, list[tuple[Turn, Turn]]] = {}
    async with running_system(folder, find_free(1), profile="clean", extra=ENVIRONMENT) as system:
        await rest(system)
        connection = await asyncpg.connect(system.postgres.url(user="postgres", database="whatlead"))
        await connection.execute("SET search_path = audit")
        try:
            async with audit_alone(system) as take_in:
                for label, load, count in (
                    (f"{_PACE:,} events/s", _paced, _PACED),
                    ("as fast as it goes", _full, _FULL),
                ):
                    for pair in range(_PAIRS):
                        turns = {}
                        for sealed in (True, False) if pair % 2 else (False, True):
                            turns[sealed] = await _turn(system, connection, take_in, load, count, sealed=sealed)
                            sys.stderr.write(f"    {label}, {'' if sealed else 'not '}sealed: {turns[sealed]}\n")
                        found.setdefault(label, []).append((turns[True], turns[False]))
            return found, await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()


async def _turn(
    system: System, connection: asyncpg.Connection, take_in: TakeIn, load: Load, count: int, *, sealed: bool
) -> Turn:
    """Put one load on audit."""
    made = events.batches(count, _BATCH)
    taken: list[float] = []

    async def timed(bodies: Sequence[bytes]) -> None:
        begun = time.perf_counter()
        await take_in(bodies)
        taken.append(time.perf_counter() - begun)

    await connection.execute("CHECKPOINT")
    leaves = await connection.fetchval(_LEAVES)
    async with _sealer_held(connection, held=not sealed):
        counted = processes(system)
        before, begun = counted.seconds(), time.perf_counter()
        await load(made, timed)
        rate = count / (time.perf_counter() - begun)
        if sealed:
            await _sealed(connection, leaves + count)
        used = used_per_message(before, counted.seconds(), count)
    await _sealed(connection, leaves + count)
    return {
        "events/s": rate,
        "a call's p50, ms": percentile(taken, 0.5) * 1_000,
        "a call's p99, ms": percentile(taken, 0.99) * 1_000,
        "CPU µs an event, audit": used["audit"],
        "CPU µs an event, PostgreSQL": used["postgresql"],
        "CPU µs an event, both": used["audit"] + used["postgresql"],
    }


async def _sealed(connection: asyncpg.Connection, leaves: int) -> None:
    async for _ in looks(f"{leaves:,} leaves", every=0.1):
        if await connection.fetchval(_LEAVES) >= leaves:
            return


@asynccontextmanager
async def _sealer_held(connection: asyncpg.Connection, *, held: bool) -> AsyncIterator[None]:
    """Keep the sealer from its work, as another replica's sealer does."""
    if held:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
    yield
    if held:
        await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")


async def _paced(made: Sequence[list[bytes]], take_in: TakeIn) -> None:
    await at_rate(made, take_in, per_second=_PACE / _BATCH)


async def _full(made: Sequence[list[bytes]], take_in: TakeIn) -> None:
    await in_flight(made, take_in, limit=_IN_FLIGHT)


def _table(found: Mapping[str, Sequence[tuple[Turn, Turn]]]) -> Table:
    shown = Table(box=box.MARKDOWN, title=f"medians and ranges of {_PAIRS} alternating pairs, {_BATCH} events a call")
    for column in ("", "sealed", "not sealed", "ratio"):
        shown.add_column(column, justify="right" if column else "left")
    for label, pairs in found.items():
        for name in pairs[0][0]:
            with_it, without = ([pair[one][name] for pair in pairs] for one in (0, 1))
            ratios = [one / other for one, other in zip(with_it, without, strict=True)]
            shown.add_row(f"{label}: {name}", *map(_spread, (with_it, without, ratios)))
    return shown


def _spread(values: Sequence[float]) -> str:
    return f"{_shown(median(values))} ({_shown(min(values))} to {_shown(max(values))})"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Measure, and write the figures."""
    folder = _ROOT / "build" / "sealing"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    about = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(_ROOT),
        "machine": machine(),
    }
    try:
        found, postgresql = uvloop.run(measure(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {**about, "versions": versions(postgresql), "pairs": found}
    (_ROOT / "build" / "sealing.json").write_text(json.dumps(result, indent=2) + "\n")
    Console(width=None if sys.stdout.isatty() else 160).print(_table(found))


if __name__ == "__main__":
    main()
