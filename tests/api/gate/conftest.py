"""A gate in this process on a database of its own, with neighbours that remember."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.api.gate.neighbours import Audit, Control, Executor
from tests.serving import RunningServer, running_process, settings_of

from chassis.database import Database
from gate.composition import Neighbours, assemble
from gate.settings import GateSettings
from kernel.clock import SystemClock
from whatlead.gate.v1 import (
    gate_pb2,
    gate_pb2_grpc,
    instance_pb2,
    instance_pb2_grpc,
    intent_pb2,
    policy_pb2,
    policy_pb2_grpc,
    signal_pb2_grpc,
    subject_pb2_grpc,
)

KEY = "11" * 32
MOST_WAITING = 2_000


@dataclass
class Gate:
    """The running gate, its neighbours, and short ways to call it as an owner of `demo`."""

    server: RunningServer
    database: Database
    control: Control
    executor: Executor
    audit: Audit
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        channel = self.server.public_channel()
        self.intents = gate_pb2_grpc.GateServiceStub(channel)
        self.instances = instance_pb2_grpc.InstanceServiceStub(channel)
        self.policies = policy_pb2_grpc.PolicyServiceStub(channel)
        self.signals = signal_pb2_grpc.SignalServiceStub(channel)
        self.subjects = subject_pb2_grpc.SubjectServiceStub(channel)
        internal = self.server.internal_channel(service="executor")
        self.from_executor = gate_pb2_grpc.GateServiceStub(internal)
        self.signals_from_executor = signal_pb2_grpc.SignalServiceStub(internal)

    async def provision(self, *instances: str, policy: policy_pb2.Policy | None = None) -> None:
        """Register instances and put a policy in force; without one, no limits."""
        await self.put_policy(policy or policy_pb2.Policy())
        for instance_id in instances:
            await self.instances.CreateInstance(
                instance_pb2.CreateInstanceRequest(
                    request_id=f"create-{instance_id}",
                    instance=instance_pb2.Instance(
                        instance_id=instance_id, provider="whatsapp_cloud", provider_account="1"
                    ),
                )
            )

    async def put_policy(self, policy: policy_pb2.Policy) -> None:
        request = policy_pb2.UpdatePolicyRequest(request_id=f"policy-{next(self.numbers)}", policy=policy)
        await self.policies.UpdatePolicy(request)

    def intent(self, **values: Any) -> intent_pb2.NewIntent:
        """Return a new intent for a new recipient."""
        number = next(self.numbers)
        given: dict[str, Any] = {
            "request_id": f"r-{number}",
            "campaign_id": "welcome",
            "category": intent_pb2.CATEGORY_UTILITY,
            "recipient": f"+55119{80000000 + number}",
        }
        if not {"template", "text", "media"} & values.keys():
            given["template"] = intent_pb2.Template(name="boas_vindas_v2")
        return intent_pb2.NewIntent(**{**given, **values})

    async def submit(self, *intents: intent_pb2.NewIntent) -> list[gate_pb2.SubmitResult]:
        response = await self.intents.SubmitIntents(gate_pb2.SubmitIntentsRequest(intents=intents))
        return list(response.results)

    async def submit_one(self, **values: Any) -> gate_pb2.SubmittedIntent:
        response = await self.intents.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=self.intent(**values)))
        return response.submitted

    async def get(self, intent_id: str) -> intent_pb2.MessageIntent:
        return (await self.intents.GetIntent(gate_pb2.GetIntentRequest(intent_id=intent_id))).intent

    async def until(self, holds: Callable[[], Any | Awaitable[Any]], seconds: float = 10) -> Any:
        """Wait until something holds, and return it."""
        async with asyncio.timeout(seconds):
            while True:
                result = holds()
                if isinstance(result, Awaitable):
                    result = await result
                if result:
                    return result
                await asyncio.sleep(0.02)


@pytest.fixture
async def gate(service_database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Gate]:
    """A gate that runs for one test."""
    database = await service_database("gate")
    control, executor, audit = Control(), Executor(), Audit()
    neighbours: Any = Neighbours(executor=executor, control=[control], audit=audit)  # type: ignore[arg-type]
    settings = settings_of("gate", GateSettings, recipient_key=KEY, max_audit_backlog=MOST_WAITING)
    async with running_process(assemble(settings, database, neighbours, SystemClock())) as server:
        yield Gate(server=server, database=database, control=control, executor=executor, audit=audit)
