"""Measure governed messages end to end: submitted by a client, until the last one's MessageSent is in audit.

Everything is on: tokens, mTLS, decisions, control checks, write-ahead, audit. Only the provider does nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from uuid import uuid4

from tests.bench.figures import memory, timed
from tests.bench.loads import Loads
from tests.bench.processor_time import Processes
from tests.bench.report import OURS
from tests.bench.samples import Measure, Sample, Unfinished
from tests.bench.traffic import in_flight, looks

from console.connection import Clients, clients
from console.pki import mint_token
from console.system import System
from kernel.errors import Failure, Kind
from whatlead.audit.v1 import metrics_pb2
from whatlead.gate.v1 import gate_pb2, instance_pb2, intent_pb2, policy_pb2

ORGANIZATION = "bench"
INSTANCES = tuple(f"bench-{number}" for number in range(1, 5))
_numbers = count()  # recipients are distinct over all runs

# No trace leaves the machine; 1 % of the messages make one. The provider answers at once, in the executor's process.
ENVIRONMENT = {
    "WHATLEAD_TRACE_SAMPLE_RATIO": "0.01",
    "WHATLEAD_PROVIDER_OVERRIDE": "noop",
}


@asynccontextmanager
async def working(system: System) -> AsyncIterator[Clients]:
    """Start the services for as long as they are measured, so that they take nothing from the others' runs."""
    names = list(system.processes)
    await asyncio.gather(*(system.restart(name) for name in names if not system.processes[name].running))
    try:
        async with acting_as(system, ORGANIZATION) as stubs:
            yield stubs
    finally:
        await rest(system)


@asynccontextmanager
async def acting_as(system: System, organization_id: str) -> AsyncIterator[Clients]:
    """Give stubs of an organization's owner, with its policy and instances in force."""
    token = mint_token(system.data_dir, subject="bench", organization_id=organization_id, role="owner")
    async with clients(system.connection, token) as stubs:
        await _provision(stubs)
        yield stubs


async def rest(system: System) -> None:
    """Stop the services; PostgreSQL goes on."""
    last = [name for name in system.processes if name in {"audit", "control", "simulator"}]
    for names in ([name for name in system.processes if name not in last], last):
        await asyncio.gather(*(system.processes[name].stop() for name in names))


async def _provision(stubs: Clients) -> None:
    """Put a policy without caps or pace in force and register the instances."""
    policy = policy_pb2.UpdatePolicyRequest(request_id="bench-policy", policy=policy_pb2.Policy())
    await stubs.policies.UpdatePolicy(policy, timeout=30)
    for number, instance_id in enumerate(INSTANCES, 1):
        instance = instance_pb2.Instance(
            instance_id=instance_id, provider="whatsapp_cloud", provider_account=f"20000{number}"
        )
        request = instance_pb2.CreateInstanceRequest(request_id=instance_id, instance=instance)
        try:
            await stubs.instances.CreateInstance(request, timeout=30)
        except Failure as failure:
            if failure.kind is not Kind.ALREADY_EXISTS:
                raise


def processes(system: System) -> Processes:
    """Name the processes whose time and memory count: the provider's is asked nothing."""
    return Processes(
        named={name: process.pid for name, process in system.processes.items() if name != "simulator"},
        postgres=system.postgres.pid or 0,
    )


def new_campaign() -> str:
    """Return a campaign that no run had before."""
    return f"bench-{uuid4().hex[:12]}"


def intents(campaign: str, messages: int, instances: Sequence[str] = INSTANCES) -> Iterator[intent_pb2.NewIntent]:
    """Yield intents of about 300 bytes, each to another recipient."""
    for number in range(messages):
        yield intent_pb2.NewIntent(
            request_id=f"{campaign}.{number}",
            campaign_id=campaign,
            instance_id=instances[number % len(instances)],
            category=intent_pb2.CATEGORY_UTILITY,
            recipient=f"+55119{80_000_000 + next(_numbers):08d}",
            template=intent_pb2.Template(
                name="pedido_enviado_v2",
                language="pt_BR",
                parameters=["Maria Aparecida", f"pedido {number:06d}", "chega entre 14h e 18h de amanhã", "x" * 150],
            ),
            reference=f"lead-{number}",
        )


async def all_sent(stubs: Clients, campaign: str, messages: int) -> None:
    """Wait until audit has MessageSent of every message. Raises Unfinished if some ended otherwise."""
    seen = metrics_pb2.Volume()
    async for _ in looks(f"{messages} messages of {campaign} sent", every=0.05):
        request = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60, campaign_id=campaign)
        seen = (await stubs.metrics.GetOrganizationMetrics(request, timeout=30)).volume
        if seen.sent.total >= messages:
            return
        if seen.blocked.total or seen.failed.total or seen.unknown.total:
            raise Unfinished(f"not every message was sent: {seen}")


async def submit_bulk(stubs: Clients, campaign: str, messages: int, loads: Loads) -> None:
    """Submit in batches, several calls in flight, and wait for the end of the last."""
    every = list(intents(campaign, messages))
    requests = [
        gate_pb2.SubmitIntentsRequest(intents=every[start : start + loads.batch])
        for start in range(0, messages, loads.batch)
    ]

    async def submit(request: gate_pb2.SubmitIntentsRequest) -> None:
        response = await stubs.gate.SubmitIntents(request, timeout=60)
        refused = [result.error.message for result in response.results if result.HasField("error")]
        if refused:
            raise Unfinished(f"{len(refused)} intents of a batch were refused: {refused[0]}")

    await in_flight(requests, submit, limit=loads.batches_in_flight)
    await all_sent(stubs, campaign, messages)


async def submit_single(stubs: Clients, campaign: str, messages: int, loads: Loads) -> None:
    """Submit one by one, many calls in flight, and wait for the end of the last."""

    async def submit(intent: intent_pb2.NewIntent) -> None:
        await stubs.gate.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=intent), timeout=60)

    await in_flight(intents(campaign, messages), submit, limit=loads.singles_in_flight)
    await all_sent(stubs, campaign, messages)


async def measure(system: System, stubs: Clients, loads: Loads) -> AsyncIterator[Sample]:
    """Yield throughput, processor time and memory of one run, in bulk and one by one."""
    counted = processes(system)
    await submit_bulk(stubs, new_campaign(), loads.warm_up, loads)
    begin, others = time.perf_counter(), counted.others()
    submitted = submit_bulk(stubs, new_campaign(), loads.bulk, loads)
    for sample in await timed(OURS, counted, loads.bulk, submitted, Measure.BULK, Measure.BULK_PROCESSOR):
        yield sample
    yield memory(OURS, counted)
    submitted = submit_single(stubs, new_campaign(), loads.single, loads)
    for sample in await timed(OURS, counted, loads.single, submitted, Measure.SINGLE, Measure.SINGLE_PROCESSOR):
        yield sample
    share = (counted.others() - others) / (time.perf_counter() - begin)
    yield Sample(contestant=OURS, measure=Measure.OTHERS, value=share)
