"""Measure governed messages whose provider takes its time and has so many places, as real ones do.

The services are those of the other figures; only the executor is told of the places and waits in its noop provider.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.bench import governed
from tests.bench.delay import SLOTS
from tests.bench.figures import timed
from tests.bench.loads import Loads
from tests.bench.report import OURS
from tests.bench.samples import DELAYED, Sample

from console.system import System

_EXECUTOR = "executor"


async def measure(system: System, loads: Loads) -> AsyncIterator[Sample]:
    """Yield throughput and processor time of one run in bulk; the services are started for it and stopped."""
    with slow_executor(system):
        async with governed.working(system) as stubs:
            await governed.submit_bulk(stubs, governed.new_campaign(), loads.warm_up, loads)
            submitted = governed.submit_bulk(stubs, governed.new_campaign(), loads.delayed, loads)
            counted = governed.processes(system)
            for sample in await timed(OURS, counted, loads.delayed, submitted, *DELAYED):
                yield sample


@contextmanager
def slow_executor(system: System) -> Iterator[None]:
    """Have the next start of the executor be one with a slow provider."""
    usual = system.processes[_EXECUTOR]
    system.processes[_EXECUTOR] = replace(
        usual,
        module="tests.bench.slow_executor",
        environment={**usual.environment, "WHATLEAD_MAX_IN_FLIGHT": str(SLOTS)},
    )
    try:
        yield
    finally:
        system.processes[_EXECUTOR] = usual
