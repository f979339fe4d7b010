"""Where a running system listens, and clients for its public API. Knows no process, port rule or table.

`<data folder>/connection.json` names the addresses; a token comes from `WHATLEAD_TOKEN` or is minted with the
folder's key.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chassis.clients import public_channel
from console.pki import mint_token
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub
from whatlead.audit.v1.evidence_pb2_grpc import EvidenceServiceStub
from whatlead.audit.v1.metrics_pb2_grpc import MetricsServiceStub
from whatlead.audit.v1.timeline_pb2_grpc import TimelineServiceStub
from whatlead.control.v1.control_pb2_grpc import ControlServiceStub
from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceStub
from whatlead.gate.v1.gate_pb2_grpc import GateServiceStub
from whatlead.gate.v1.instance_pb2_grpc import InstanceServiceStub
from whatlead.gate.v1.policy_pb2_grpc import PolicyServiceStub
from whatlead.gate.v1.subject_pb2_grpc import SubjectServiceStub
from whatlead.outbox.v1.outbox_pb2_grpc import OutboxServiceStub

if TYPE_CHECKING:
    from whatlead.audit.v1.event_pb2_grpc import EventServiceAsyncStub
    from whatlead.audit.v1.evidence_pb2_grpc import EvidenceServiceAsyncStub
    from whatlead.audit.v1.metrics_pb2_grpc import MetricsServiceAsyncStub
    from whatlead.audit.v1.timeline_pb2_grpc import TimelineServiceAsyncStub
    from whatlead.control.v1.control_pb2_grpc import ControlServiceAsyncStub
    from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceAsyncStub
    from whatlead.gate.v1.gate_pb2_grpc import GateServiceAsyncStub
    from whatlead.gate.v1.instance_pb2_grpc import InstanceServiceAsyncStub
    from whatlead.gate.v1.policy_pb2_grpc import PolicyServiceAsyncStub
    from whatlead.gate.v1.subject_pb2_grpc import SubjectServiceAsyncStub
    from whatlead.outbox.v1.outbox_pb2_grpc import OutboxServiceAsyncStub

FILE_NAME = "connection.json"


class NotConnected(Exception):
    """Tell what is missing to reach a system, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Addresses (`host:port`) of the public listeners, and the certificate authority that vouches for them."""

    gate: str
    executor: str
    control: str
    audit: str
    ca_file: str

    def save(self, data_dir: Path) -> None:
        """Write it for later commands."""
        (data_dir / FILE_NAME).write_text(json.dumps(asdict(self), indent=2) + "\n")


def load(data_dir: Path) -> Connection:
    """Return the connection of a data folder. Raises NotConnected if none was ever started there."""
    try:
        return Connection(**json.loads((data_dir / FILE_NAME).read_text()))
    except FileNotFoundError:
        raise NotConnected(
            f"no system was started in {data_dir}: run `whatlead up`, or name its folder with --data-dir"
        ) from None
    except (TypeError, ValueError) as error:
        raise NotConnected(
            f"{data_dir / FILE_NAME} cannot be read ({error}); run `whatlead up` to write it anew"
        ) from None


def token_for(data_dir: Path, organization_id: str) -> str:
    """Return the token in `WHATLEAD_TOKEN`, or a fresh owner's token signed with the folder's key."""
    return os.environ.get("WHATLEAD_TOKEN") or mint_token(
        data_dir, subject="operator", organization_id=organization_id, role="owner"
    )


def platform_token(data_dir: Path) -> str:
    """Return the token in `WHATLEAD_TOKEN`, or a fresh one of the role platform signed with the folder's key."""
    return os.environ.get("WHATLEAD_TOKEN") or mint_token(
        data_dir, subject="operator", organization_id="", role="platform"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Stubs of every public service, acting as one caller."""

    gate: "GateServiceAsyncStub"
    instances: "InstanceServiceAsyncStub"
    policies: "PolicyServiceAsyncStub"
    subjects: "SubjectServiceAsyncStub"
    executor: "ExecutorServiceAsyncStub"
    control: "ControlServiceAsyncStub"
    events: "EventServiceAsyncStub"
    timelines: "TimelineServiceAsyncStub"
    metrics: "MetricsServiceAsyncStub"
    outboxes: "dict[str, OutboxServiceAsyncStub]"
    evidence: "EvidenceServiceAsyncStub"


@asynccontextmanager
async def clients(connection: Connection, token: str) -> AsyncIterator[Clients]:
    """Open channels to every service with `token`. Calls raise kernel Failures."""
    async with AsyncExitStack() as stack:
        gate, executor, control, audit = [
            await stack.enter_async_context(public_channel(target, ca_file=Path(connection.ca_file), token=token))
            for target in (connection.gate, connection.executor, connection.control, connection.audit)
        ]
        yield Clients(
            gate=GateServiceStub(gate),
            instances=InstanceServiceStub(gate),
            policies=PolicyServiceStub(gate),
            subjects=SubjectServiceStub(gate),
            executor=ExecutorServiceStub(executor),
            control=ControlServiceStub(control),
            events=EventServiceStub(audit),
            timelines=TimelineServiceStub(audit),
            metrics=MetricsServiceStub(audit),
            outboxes={
                "gate": OutboxServiceStub(gate),
                "executor": OutboxServiceStub(executor),
                "control": OutboxServiceStub(control),
            },
            evidence=EvidenceServiceStub(audit),
        )
