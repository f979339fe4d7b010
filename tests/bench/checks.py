"""Measure how many checks control answers, asked as its peers ask: over mTLS, many scopes a call."""

import asyncio
from collections.abc import AsyncIterator

from tests.bench.governed import ORGANIZATION
from tests.bench.loads import Loads
from tests.bench.report import OURS
from tests.bench.samples import Measure, Sample, Unfinished

from chassis.clients import internal_channel
from chassis.settings import ServiceSettings
from console.system import System
from whatlead.control.v1 import control_pb2
from whatlead.control.v1.control_pb2_grpc import ControlServiceStub


async def measure(system: System, loads: Loads) -> AsyncIterator[Sample]:
    """Yield calls and scopes a second; a scope is what one message is checked for."""
    scopes = [
        control_pb2.ExecutionScope(
            organization_id=ORGANIZATION, instance_id=f"bench-{number}", campaign_id=f"check-{number}"
        )
        for number in range(loads.check_scopes)
    ]
    request = control_pb2.CheckExecutionsRequest(scopes=scopes)
    calls = 0
    async with internal_channel(
        f"localhost:{system.ports.internal('control')}", settings_of(system, "gate")
    ) as channel:
        control = ControlServiceStub(channel)
        now = asyncio.get_running_loop().time
        start = now()

        async def ask() -> None:
            nonlocal calls
            while now() < start + loads.check_seconds:
                response = await control.CheckExecutions(request, timeout=10)
                if not all(answer.HasField("allowed") for answer in response.answers):
                    raise Unfinished("a scope that nobody paused was not allowed")
                calls += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(loads.checks_in_flight):
                group.create_task(ask())
        seconds = now() - start
    yield Sample(contestant=OURS, measure=Measure.CHECK_CALLS, value=calls / seconds)
    yield Sample(contestant=OURS, measure=Measure.CHECK_MESSAGES, value=calls * loads.check_scopes / seconds)


def settings_of(system: System, service: str) -> ServiceSettings:
    """Return what a service is told, to call as it does."""
    environment = system.processes[service].environment
    return ServiceSettings(**{name.removeprefix("WHATLEAD_").lower(): value for name, value in environment.items()})
