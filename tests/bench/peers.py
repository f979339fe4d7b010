"""Measure a bare job queue: enqueue, run a job that does nothing, see it done. Knows no queue by name.

A job is 300 characters that begin with the time it was enqueued at, or with `-` if nobody asks for its latency. Where
there are places, it waits as long as a slow provider takes to answer, and no more jobs run at once than there are.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, Self

from tests.bench.delay import SLOTS, answered
from tests.bench.figures import memory, timed
from tests.bench.loads import Loads
from tests.bench.processor_time import Processes, used_per_message
from tests.bench.samples import DELAYED, Measure, Sample, percentile
from tests.bench.traffic import at_rate, in_flight, looks

from console.processes import ChildProcess

_JOB_CHARACTERS = 300
_CONSUMERS = 2
UNTIMED = "-".ljust(_JOB_CHARACTERS, "x")


class Peer(Protocol):
    """One queue in a database of its own, as somebody would use it who wants throughput."""

    name: str
    url: str
    module: str  # runs one consumer: see Consumer
    slow: bool

    async def enqueue(self, job: str) -> object: ...

    async def enqueue_many(self, jobs: Sequence[str]) -> object: ...

    async def has_unfinished(self) -> bool: ...

    async def clear(self) -> None: ...


class Consumer:
    """What a consumer process keeps: the latencies of the jobs that ask for it, written down when it ends."""

    def __init__(self, results: Path, places: int) -> None:
        self._results = results
        self._latencies: list[float] = []
        self.places = places

    @classmethod
    def of_environment(cls) -> Self:
        """Make the one that the measuring process has asked for."""
        return cls(Path(os.environ["BENCH_RESULTS"]), int(os.environ["BENCH_PLACES"]))

    def ready(self) -> None:
        """Tell the measuring process that jobs are taken from now on."""
        self._results.write_text("")

    async def run_job(self, job: str | bytes) -> None:
        """Do nothing, or wait as a slow provider has one wait; note how long a timed job has waited to begin."""
        if job[:1] not in ("-", b"-"):
            self._latencies.append(time.time() - float(job[:20]))
        if self.places:
            await answered()

    def close(self) -> None:
        """Write down what was noted."""
        self._results.write_text(json.dumps(self._latencies))


@asynccontextmanager
async def _consumers(peer: Peer, folder: Path, places: int = 0) -> AsyncIterator[list[ChildProcess]]:
    processes = []
    for number in range(1, _CONSUMERS + 1):
        name = f"{peer.name}-{number}"
        _results(folder, name).unlink(missing_ok=True)
        environment = {
            "BENCH_DATABASE_URL": peer.url,
            "BENCH_RESULTS": str(_results(folder, name)),
            "BENCH_PLACES": str(places // _CONSUMERS),
        }
        processes.append(
            ChildProcess(name=name, module=peer.module, environment=environment, log=folder / f"{name}.log")
        )
    try:
        for process in processes:
            await process.start()
        async for _ in looks(f"{peer.name}: consumers ready", every=0.1):
            for process in processes:
                if not process.running:
                    await process.ended()
            if all(_results(folder, process.name).exists() for process in processes):
                break
        yield processes
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


def _results(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


async def _all_done(peer: Peer) -> None:
    async for _ in looks(f"{peer.name}: all jobs done", every=0.02):
        if not await peer.has_unfinished():
            return


async def measure(peer: Peer, loads: Loads, folder: Path, postgres: int) -> AsyncIterator[Sample]:
    """Yield the figures of one run; jobs are consumed while they are enqueued."""
    async with _consumers(peer, folder) as running:
        processes = _processes(running, postgres)
        await _bulk(peer, loads.warm_up, loads)
        begin, others = time.perf_counter(), processes.others()
        bulk, single = (loads.slow_bulk, loads.slow_single) if peer.slow else (loads.bulk, loads.single)
        enqueued = _bulk(peer, bulk, loads)
        for sample in await timed(peer.name, processes, bulk, enqueued, Measure.BULK, Measure.BULK_PROCESSOR):
            yield sample
        yield memory(peer.name, processes)
        enqueued = _single(peer, single, loads)
        for sample in await timed(peer.name, processes, single, enqueued, Measure.SINGLE, Measure.SINGLE_PROCESSOR):
            yield sample
        share = (processes.others() - others) / (time.perf_counter() - begin)
        yield Sample(contestant=peer.name, measure=Measure.OTHERS, value=share)
        before = processes.seconds()
        await _steady(peer, loads)
        used = used_per_message(before, processes.seconds(), loads.steady_rate * loads.steady_seconds)
        yield Sample(
            contestant=peer.name, measure=Measure.STEADY_PROCESSOR, value=sum(used.values()) / 1000, parts=used
        )
    latencies = [
        seconds * 1000 for process in running for seconds in json.loads(_results(folder, process.name).read_text())
    ]
    yield Sample(contestant=peer.name, measure=Measure.LATENCY_P50, value=percentile(latencies, 0.50))
    yield Sample(contestant=peer.name, measure=Measure.LATENCY_P99, value=percentile(latencies, 0.99))
    await peer.clear()


async def measure_delayed(peer: Peer, loads: Loads, folder: Path, postgres: int) -> AsyncIterator[Sample]:
    """Yield the figures of jobs that wait as a slow provider has one wait."""
    async with _consumers(peer, folder, SLOTS) as running:
        await _bulk(peer, loads.warm_up, loads)
        enqueued = _bulk(peer, loads.delayed, loads)
        for sample in await timed(peer.name, _processes(running, postgres), loads.delayed, enqueued, *DELAYED):
            yield sample
    await peer.clear()


def _processes(running: Sequence[ChildProcess], postgres: int) -> Processes:
    return Processes(named={process.name: process.pid for process in running}, postgres=postgres)


async def _bulk(peer: Peer, count: int, loads: Loads) -> None:
    batches = [[UNTIMED] * min(loads.batch, count - start) for start in range(0, count, loads.batch)]
    await in_flight(batches, peer.enqueue_many, limit=loads.batches_in_flight)
    await _all_done(peer)


async def _single(peer: Peer, count: int, loads: Loads) -> None:
    await in_flight([UNTIMED] * count, peer.enqueue, limit=loads.singles_in_flight)
    await _all_done(peer)


async def _steady(peer: Peer, loads: Loads) -> None:
    async def enqueue(_: int) -> None:
        await peer.enqueue(f"{time.time():020.6f}".ljust(_JOB_CHARACTERS, "x"))

    await at_rate(range(loads.steady_rate * loads.steady_seconds), enqueue, per_second=loads.steady_rate)
    await _all_done(peer)
