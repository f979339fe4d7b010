"""Measure whether a message costs the same as work grows: `python -m tests.bench.growth [AXIS ...]`.

For each size of each axis: messages a second in bulk and CPU by process, as medians of 3 turns of 10,000 messages. Each
axis is a system of its own; the last one is the number of executor processes. Writes build/growth.json
(build/growth-AXES.json with names) and prints the table of docs/performance.md. Some 20 minutes and 15 GB of disk, most
of both for ten million jobs. Ends by itself.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop
from rich.console import Console
from tests.bench import governed
from tests.bench.figures import timed
from tests.bench.growth_axes import AXES, Site, Traffic
from tests.bench.growth_report import Point, table
from tests.bench.machine import commit, machine
from tests.bench.report import OURS
from tests.bench.samples import Measure, Unfinished
from tests.bench.traffic import in_flight, looks

from chassis.clients import public_channel
from console.pki import mint_token
from console.ports import find_free
from console.system import running_system
from whatlead.gate.v1 import gate_pb2
from whatlead.gate.v1.gate_pb2_grpc import GateServiceStub

_ROOT = Path(__file__).parents[2]
_EXECUTORS = "executors"
_TURNS = 3
_MESSAGES = 10_000
_SECONDS_AN_AXIS = 1_200
_token: ContextVar[str] = ContextVar("token")

_UNDER_WAY = """
SELECT EXISTS (SELECT FROM gate.outbox) OR EXISTS (SELECT FROM executor.outbox) OR EXISTS (SELECT FROM executor.lease)
    OR EXISTS (SELECT FROM executor.job WHERE next_attempt_at IS NOT NULL AND held_by IS NULL)
"""
_SENT = "SELECT count(*) FROM audit.operational_event WHERE event_type = 'MESSAGE_SENT' AND campaign_id = $1"


async def measure(axis: str, folder: Path) -> AsyncIterator[Point]:
    """Yield the points of an axis."""
    if axis == _EXECUTORS:
        for number in (1, 2, 4):
            async with _site(folder / str(number), executors=number) as site:
                yield await _point(site, axis, number, Traffic())
        return
    async with _site(folder, executors=1) as site:
        async for size, traffic in AXES[axis](site):
            yield await _point(site, axis, size, traffic)


@asynccontextmanager
async def _site(folder: Path, *, executors: int) -> AsyncIterator[Site]:
    async with (
        running_system(
            folder, find_free(executors), executors=executors, profile="clean", extra=governed.ENVIRONMENT
        ) as system,
        governed.working(system) as stubs,
    ):
        url = system.postgres.url(user="postgres", database="whatlead")
        connection = await asyncpg.connect(url, command_timeout=900)
        try:
            await connection.execute("SET synchronous_commit = off")
            yield Site(system=system, stubs=stubs, connection=connection)
        finally:
            await connection.close()


async def _point(site: Site, axis: str, size: int, traffic: Traffic) -> Point:
    tokens = [
        mint_token(site.system.data_dir, subject="bench", organization_id=name, role="owner")
        for name in traffic.organizations
    ]
    counted = governed.processes(site.system)
    point = Point(axis=axis, size=size)
    ca_file = Path(site.system.connection.ca_file)
    async with public_channel(site.system.connection.gate, ca_file=ca_file, token=_token.get) as channel:
        for turn in range(-1, _TURNS):
            campaign = governed.new_campaign()
            work = _send(GateServiceStub(channel), site.connection, traffic, tokens, campaign)
            rate, processor = await timed(OURS, counted, _MESSAGES, work, Measure.BULK, Measure.BULK_PROCESSOR)
            if (sent := await site.connection.fetchval(_SENT, campaign)) != _MESSAGES:
                raise Unfinished(f"{axis}, {size:,}: {sent} of {_MESSAGES} messages were sent")
            if turn >= 0:  # the one before makes what the first message of each instance makes
                point.add(rate.value, processor.parts)
    sys.stderr.write(f"{axis}, {size:,}: {point.rate:,.0f}/s, {point.microseconds['in all']:,.0f} µs\n")
    return point


async def _send(
    gate: GateServiceStub,
    connection: asyncpg.Connection,
    traffic: Traffic,
    tokens: Sequence[str],
    campaign: str,
) -> None:
    """Submit, the organizations in turn, and wait until nothing is under way any more: audit has every event then."""
    every = list(governed.intents(campaign, _MESSAGES, traffic.instances))
    calls = [every[start : start + traffic.batch] for start in range(0, _MESSAGES, traffic.batch)]

    async def submit(number: int) -> None:
        _token.set(tokens[number % len(tokens)])
        response = await gate.SubmitIntents(gate_pb2.SubmitIntentsRequest(intents=calls[number]), timeout=60)
        refused = [result.error.message for result in response.results if result.HasField("error")]
        if refused:
            raise Unfinished(f"{len(refused)} intents of a batch were refused: {refused[0]}")

    await in_flight(range(len(calls)), submit, limit=traffic.in_flight)
    async for _ in looks(f"{_MESSAGES} messages of {campaign} sent", every=0.05):
        if not await connection.fetchval(_UNDER_WAY):
            return


async def _measure_all(axes: Sequence[str], folder: Path) -> list[Point]:
    found = []
    for axis in axes:
        try:
            async with asyncio.timeout(_SECONDS_AN_AXIS):
                found += [point async for point in measure(axis, folder)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def main() -> None:
    """Measure the axes asked for, print, write."""
    known = [*AXES, _EXECUTORS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("axes", metavar="AXIS", nargs="*", default=known, help=f"one or more of {known}")
    axes = parser.parse_args().axes
    if unknown := set(axes) - set(known):
        parser.error(f"{sorted(unknown)} is none of {known}")
    folder = _ROOT / "build" / "growth"
    shutil.rmtree(folder, ignore_errors=True)
    about = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(_ROOT),
        "machine": machine(),
    }
    found = uvloop.run(_measure_all(axes, folder))
    result = {**about, "messages": _MESSAGES, "points": [point.data() for point in found]}
    file = "growth.json" if axes == known else f"growth-{'-'.join(axes)}.json"
    (_ROOT / "build" / file).write_text(json.dumps(result, indent=2) + "\n")
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(found, f"medians, least and most of {_TURNS} turns of {_MESSAGES:,} messages"))


if __name__ == "__main__":
    main()
