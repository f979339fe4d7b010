"""Set an organization up through the public API: its policy, its instances, who opted out. Knows no campaign."""

from collections.abc import Sequence
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from console.connection import Clients
from kernel.errors import Failure, Kind
from whatlead.gate.v1 import instance_pb2, policy_pb2

INSTANCES = ("inst-sp-1", "inst-sp-2", "inst-ne-1")
_BATCH = 1000


def demo_policy() -> policy_pb2.Policy:
    """Return the demo's policy: about 50 messages a second and instance, and no caps."""
    return policy_pb2.Policy(pace=policy_pb2.Pace(gap=Duration(nanos=20_000_000), burst=5))


async def provision(clients: Clients, *, instances: Sequence[str] = INSTANCES) -> None:
    """Put the demo's policy in force and register `instances`; repeating it changes nothing."""
    await clients.policies.UpdatePolicy(
        policy_pb2.UpdatePolicyRequest(request_id="provision", policy=demo_policy()), timeout=30
    )
    for number, instance_id in enumerate(instances, 1):
        instance = instance_pb2.Instance(
            instance_id=instance_id, provider="whatsapp_cloud", provider_account=f"10000{number}"
        )
        request = instance_pb2.CreateInstanceRequest(request_id=f"provision-{instance_id}", instance=instance)
        try:
            await clients.instances.CreateInstance(request, timeout=30)
        except Failure as failure:
            if failure.kind is not Kind.ALREADY_EXISTS:
                raise


async def suppress(clients: Clients, numbers: Sequence[str], *, reason: str) -> int:
    """Suppress `numbers` and return how many were not before."""
    added = 0
    for start in range(0, len(numbers), _BATCH):
        request = policy_pb2.AddSuppressionsRequest(
            request_id=f"suppress-{start}", recipients=numbers[start : start + _BATCH], reason=reason
        )
        added += (await clients.policies.AddSuppressions(request, timeout=60)).added
    return added


def read_numbers(path: Path) -> list[str]:
    """Return the numbers of a file, one a line."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
