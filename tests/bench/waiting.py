"""Measure what a mass of paused work costs while it waits, what it costs others, and how soon it goes on.

A system of its own for each run: the mass goes into the tables directly, and all of it is thrown away at the end.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import mean

import asyncpg
from tests.bench import governed
from tests.bench.loads import Loads
from tests.bench.mass import Mass
from tests.bench.processor_time import seconds_of
from tests.bench.report import OURS
from tests.bench.samples import Measure, Sample
from tests.bench.traffic import looks

from console.connection import Clients
from console.ports import find_free
from console.system import System, running_system
from whatlead.audit.v1 import metrics_pb2
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import gate_pb2

NAME = "waiting"
_SERVICES = {"gate": Measure.WAITING_GATE, "executor": Measure.WAITING_EXECUTOR}


async def measure(folder: Path, loads: Loads) -> AsyncIterator[Sample]:
    """Yield the figures of one run. With and without the mass alternate."""
    async with (
        running_system(folder, find_free(1), profile="clean", extra=governed.ENVIRONMENT) as system,
        governed.working(system) as stubs,
    ):
        connection = await asyncpg.connect(system.postgres.url(database="whatlead"))
        try:
            async for sample in _measure(system, stubs, connection, loads):
                yield sample
        finally:
            await connection.close()


async def _measure(
    system: System, stubs: Clients, connection: asyncpg.Connection, loads: Loads
) -> AsyncIterator[Sample]:
    campaign = governed.new_campaign()
    pause = await pause_with_one_of_each(system, stubs, campaign)
    mass = Mass(connection, campaign)
    await mass.keep_templates()
    await governed.submit_bulk(stubs, governed.new_campaign(), loads.warm_up, loads)
    idle = await _shares(system, connection, loads.waiting_seconds)
    alone, beside = [], []
    for turn in range(2):
        alone.append(await _rate(stubs, loads))
        await mass.put(intents=loads.waiting_intents, jobs=loads.waiting_jobs)
        beside.append(await _rate(stubs, loads))
        if turn == 0:
            shares = await _shares(system, connection, loads.waiting_seconds)
            await mass.take_out()
    for service, figure in _SERVICES.items():
        parts = {**shares[service], "with nothing waiting": sum(idle[service].values())}
        yield Sample(contestant=OURS, measure=figure, value=sum(shares[service].values()), parts=parts)
    parts = {"alone": mean(alone), "beside": mean(beside)}
    yield Sample(contestant=OURS, measure=Measure.WAITING_RATE, value=mean(beside) / mean(alone), parts=parts)
    yield Sample(contestant=OURS, measure=Measure.WAITING_RESUME, value=await _resume(stubs, campaign, pause))


async def pause_with_one_of_each(system: System, stubs: Clients, campaign: str) -> control_pb2.ExecutionControl:
    """Pause a campaign of which one job reaches the executor only then, and one intent waits with the gate."""
    held, approved = governed.intents(campaign, 2)
    held.hold_if_paused = True
    await system.processes["executor"].stop()
    await stubs.gate.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=approved), timeout=30)
    request = control_pb2.PauseRequest(
        request_id=campaign, scope=control_pb2.SCOPE_CAMPAIGN, target=campaign, reason="measured"
    )
    pause = (await stubs.control.Pause(request, timeout=30)).control
    await system.restart("executor")
    await stubs.gate.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=held), timeout=30)
    return pause


async def _rate(stubs: Clients, loads: Loads) -> float:
    """Return how many messages a second another campaign makes, end to end."""
    start = time.perf_counter()
    await governed.submit_bulk(stubs, governed.new_campaign(), loads.bulk, loads)
    return loads.bulk / (time.perf_counter() - start)


async def _shares(system: System, connection: asyncpg.Connection, seconds: float) -> dict[str, dict[str, float]]:
    """Return what each service and its PostgreSQL backends take while nothing is asked of them, in % of a core."""
    await asyncio.sleep(3)  # what the work before has left to be done is no part of it
    before, start = await _used(system, connection), time.perf_counter()
    await asyncio.sleep(seconds)
    after, elapsed = await _used(system, connection), time.perf_counter() - start
    return {
        service: {part: (used - before[service][part]) / elapsed * 100 for part, used in after[service].items()}
        for service in _SERVICES
    }


async def _used(system: System, connection: asyncpg.Connection) -> dict[str, dict[str, float]]:
    found = await connection.fetch("SELECT application_name AS name, pid FROM pg_stat_activity")
    return {
        service: {
            "process": seconds_of([system.processes[service].pid]),
            "postgresql": seconds_of([row["pid"] for row in found if row["name"] == service]),
        }
        for service in _SERVICES
    }


async def _resume(stubs: Clients, campaign: str, pause: control_pb2.ExecutionControl) -> float:
    """Resume at full pace, and return the seconds until audit knows of a send."""
    request = control_pb2.ResumeRequest(
        request_id=f"{campaign}-go",
        control_ids=[pause.control_id],
        etag=pause.etag,
        reason="measured",
        immediate=control_pb2.Immediate(),
    )
    start = time.perf_counter()
    await stubs.control.Resume(request, timeout=30)
    async for _ in looks("the first message after the resume", every=0.02):
        asked = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60, campaign_id=campaign)
        if (await stubs.metrics.GetOrganizationMetrics(asked, timeout=30)).volume.sent.total:
            break
    return time.perf_counter() - start
