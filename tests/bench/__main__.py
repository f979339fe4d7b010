"""Measure governed messages beside bare job queues on one PostgreSQL server, run after run in another order.

Prints tables of medians and ranges, and writes build/bench.json (build/bench-NAMES.json with `--only NAMES`). Ends by
itself; the status is 1 if something could not be measured, as when a message was lost.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop
from rich.console import Console
from tests.bench import (
    checks,
    governed,
    latency,
    peers,
    peers_pgqueuer,
    peers_procrastinate,
    report,
    slow_provider,
    waiting,
)
from tests.bench.loads import FULL, QUICK, Loads
from tests.bench.machine import commit, machine, versions
from tests.bench.samples import Sample, Unfinished

from chassis.postgres_embedded import EmbeddedPostgres
from console.ports import find_free
from console.processes import ProcessEnded
from console.system import System, running_system
from kernel.errors import Failure

_ROOT = Path(__file__).parents[2]
_SECONDS_A_RUN = 520
_MESSAGE_CHARACTERS = 600
_PEERS = {peers_pgqueuer.NAME: peers_pgqueuer.opened, peers_procrastinate.NAME: peers_procrastinate.opened}
_CONTESTANTS = (report.OURS, *_PEERS)


class Bench:
    """One invocation: its PostgreSQL, its contestants, its samples."""

    def __init__(self, folder: Path, loads: Loads) -> None:
        self._folder = folder
        self._loads = loads
        self.samples: list[Sample] = []
        self.failures: list[str] = []
        self.postgresql = ""

    async def run(self, contestants: list[str], runs: int) -> None:
        """Measure each contestant once a run, beginning with another one each time."""
        try:
            async with asyncio.timeout(runs * _SECONDS_A_RUN), self._servers(contestants) as (postgres, system):
                for number in range(runs):
                    for name in contestants[number % len(contestants) :] + contestants[: number % len(contestants)]:
                        sys.stderr.write(f"run {number + 1} of {runs}: {name}\n")
                        await self._settle(postgres)
                        await self._run(number + 1, name, postgres, system)
        except TimeoutError:
            self._failed(f"not all of {runs} runs: they take longer than planned")

    async def _run(self, number: int, name: str, postgres: EmbeddedPostgres, system: System | None) -> None:
        try:
            async for sample in self._contestant(name, postgres, system):
                self.samples.append(replace(sample, run=number))
                sys.stderr.write(f"    {sample.measure}: {sample.value:,.4g}\n")
        except* (Unfinished, Failure, ProcessEnded, TimeoutError) as group:
            self._failed(f"{name}, run {number}: {_leaves(group)}")

    @asynccontextmanager
    async def _servers(self, contestants: list[str]) -> AsyncIterator[tuple[EmbeddedPostgres, System | None]]:
        async with AsyncExitStack() as stack:
            if report.OURS not in contestants:
                yield await stack.enter_async_context(EmbeddedPostgres(self._folder / "postgres")), None
                return
            system = await stack.enter_async_context(
                running_system(self._folder, find_free(1), profile="clean", extra=governed.ENVIRONMENT)
            )
            await governed.rest(system)
            yield system.postgres, system

    async def _contestant(self, name: str, postgres: EmbeddedPostgres, system: System | None) -> AsyncIterator[Sample]:
        if name == waiting.NAME:
            folder = self._folder / waiting.NAME
            async for sample in waiting.measure(folder, self._loads):
                yield sample
            shutil.rmtree(folder)
            return
        if system is None or name != report.OURS:
            async with _PEERS[name](postgres.url(database=f"bench_{name}")) as peer:
                async for sample in peers.measure(peer, self._loads, self._folder, postgres.pid or 0):
                    yield sample
                if name == peers_pgqueuer.NAME:
                    async for sample in peers.measure_delayed(peer, self._loads, self._folder, postgres.pid or 0):
                        yield sample
            return
        async with governed.working(system) as stubs:
            for figures in (
                governed.measure(system, stubs, self._loads),
                latency.measure(system, stubs, self._loads),
                checks.measure(system, self._loads),
            ):
                async for sample in figures:
                    yield sample
        async for sample in slow_provider.measure(system, self._loads):
            yield sample

    async def _settle(self, postgres: EmbeddedPostgres) -> None:
        """Write out what the contestant before has left to be written."""
        connection = await asyncpg.connect(postgres.url())
        try:
            self.postgresql = await connection.fetchval("SHOW server_version")
            for name in _PEERS:
                if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", f"bench_{name}"):
                    await connection.execute(f"CREATE DATABASE bench_{name}")
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()

    def _failed(self, message: str) -> None:
        self.failures.append(message)
        sys.stderr.write(f"    {message}\n")


def _leaves(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(_leaves, error.exceptions))
    return f"{type(error).__name__}: {str(error)[-_MESSAGE_CHARACTERS:]}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, help="how often each is measured (6, or 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="small loads, about a minute")
    parser.add_argument(
        "--only",
        choices=(*_CONTESTANTS, waiting.NAME),
        nargs="+",
        default=list(_CONTESTANTS),
        help=f"leave the others out, or measure {waiting.NAME}, which is long and stands beside nothing",
    )
    return parser.parse_args()


def main() -> int:
    """Measure, print, write; the status is 1 if something could not be measured."""
    arguments = _arguments()
    loads, runs = QUICK if arguments.quick else FULL, arguments.runs or (1 if arguments.quick else 6)
    folder = _ROOT / "build" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bench = Bench(folder, loads)
    about = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(_ROOT),
        "machine": machine(),
    }
    uvloop.run(bench.run(arguments.only, runs))
    result = {
        **about,
        "runs": runs,
        "loads": asdict(loads),
        "versions": versions(bench.postgresql),
        "failures": bench.failures,
        **report.data(bench.samples),
    }
    file = "bench.json" if arguments.only == list(_CONTESTANTS) else f"bench-{'-'.join(arguments.only)}.json"
    (_ROOT / "build" / file).write_text(json.dumps(result, indent=2) + "\n")
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in report.tables(bench.samples, runs):
        console.print(table)
    for failure in bench.failures:
        console.print(f"not measured: {failure}", markup=False)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
