"""Who may call what: one row a method, and no method without a row. Knows no token, certificate or request.

A method's own handler judges what the row cannot: the scope of a pause, the organization of a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor

from chassis.identity import Caller, Identity, Peer, Role
from kernel.errors import Failure, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The roles that may call a method at the public listener, and the services that may at the internal one."""

    roles: frozenset[Role] = frozenset()
    services: frozenset[str] = frozenset()


class Incomplete(Exception):
    """Tell which methods have no row; a server must not start."""


_MANAGERS = frozenset({Role.OWNER, Role.ADMIN})
_EVERYBODY = _MANAGERS | {Role.MEMBER}
_PLATFORM = frozenset({Role.PLATFORM})

_ANYONE = Grant(roles=_EVERYBODY)
_MANAGER = Grant(roles=_MANAGERS)
_OWNER = Grant(roles=frozenset({Role.OWNER}))
_OPERATOR = Grant(roles=_PLATFORM)


def _only(*services: str) -> Grant:
    return Grant(services=frozenset(services))


TABLE: dict[str, Grant] = {
    "/whatlead.gate.v1.GateService/SubmitIntent": _ANYONE,
    "/whatlead.gate.v1.GateService/SubmitIntents": _ANYONE,
    "/whatlead.gate.v1.GateService/EvaluateIntent": _ANYONE,
    "/whatlead.gate.v1.GateService/GetIntent": _ANYONE,
    "/whatlead.gate.v1.GateService/ListIntents": _ANYONE,
    "/whatlead.gate.v1.GateService/CancelIntents": _ANYONE,
    "/whatlead.gate.v1.GateService/ReturnIntents": _only("executor"),
    "/whatlead.gate.v1.GateService/CountWork": _only("control"),
    "/whatlead.gate.v1.InstanceService/CreateInstance": _MANAGER,
    "/whatlead.gate.v1.InstanceService/UpdateInstance": _MANAGER,
    "/whatlead.gate.v1.InstanceService/GetInstance": _ANYONE,
    "/whatlead.gate.v1.InstanceService/ListInstances": _ANYONE,
    "/whatlead.gate.v1.InstanceService/EndCooldown": _MANAGER,
    "/whatlead.gate.v1.PolicyService/GetPolicy": _ANYONE,
    "/whatlead.gate.v1.PolicyService/UpdatePolicy": _MANAGER,
    "/whatlead.gate.v1.PolicyService/AddSuppressions": _MANAGER,
    "/whatlead.gate.v1.PolicyService/RemoveSuppressions": _MANAGER,
    "/whatlead.gate.v1.PolicyService/ListSuppressions": _ANYONE,
    "/whatlead.gate.v1.SubjectService/EraseSubject": _OWNER,
    "/whatlead.gate.v1.SubjectService/ExportSubject": _OWNER,
    "/whatlead.gate.v1.SignalService/ReportSignals": Grant(roles=_EVERYBODY, services=frozenset({"executor"})),
    "/whatlead.executor.v1.ExecutorService/GetJob": _ANYONE,
    "/whatlead.executor.v1.ExecutorService/ListJobs": _ANYONE,
    "/whatlead.executor.v1.ExecutorService/RetryJobs": _MANAGER,
    "/whatlead.executor.v1.ExecutorService/CancelJobs": Grant(roles=_MANAGERS, services=frozenset({"gate"})),
    "/whatlead.executor.v1.ExecutorService/ResolveOutcome": _MANAGER,
    "/whatlead.executor.v1.ExecutorService/AcceptJobs": _only("gate"),
    "/whatlead.executor.v1.ExecutorService/EraseJobs": _only("gate"),
    "/whatlead.executor.v1.ExecutorService/ExportJobs": _only("gate"),
    "/whatlead.executor.v1.ExecutorService/CountWork": _only("control"),
    "/whatlead.executor.v1.ExecutorService/CountCanary": _only("control"),
    "/whatlead.control.v1.ControlService/Pause": Grant(roles=_EVERYBODY | _PLATFORM, services=frozenset({"gate"})),
    "/whatlead.control.v1.ControlService/Resume": Grant(roles=_MANAGERS | _PLATFORM),
    "/whatlead.control.v1.ControlService/GetExecutionControl": Grant(roles=_EVERYBODY | _PLATFORM),
    "/whatlead.control.v1.ControlService/ListExecutionControls": Grant(roles=_EVERYBODY | _PLATFORM),
    "/whatlead.control.v1.ControlService/GetEffectiveState": Grant(roles=_EVERYBODY | _PLATFORM),
    "/whatlead.control.v1.ControlService/WatchExecutionControls": Grant(
        roles=_EVERYBODY | _PLATFORM, services=frozenset({"gate", "executor"})
    ),
    "/whatlead.control.v1.ControlService/CheckExecutions": _only("gate", "executor"),
    "/whatlead.control.v1.ControlService/RegisterSession": _only("executor"),
    "/whatlead.control.v1.ControlService/AcknowledgePauses": _only("executor"),
    "/whatlead.control.v1.ControlService/EndSession": _only("executor"),
    "/whatlead.audit.v1.EventService/RecordEvents": _only("gate", "executor", "control"),
    "/whatlead.audit.v1.EventService/ListEvents": _MANAGER,
    "/whatlead.audit.v1.EventService/WatchEvents": _MANAGER,
    "/whatlead.audit.v1.EventService/TallyIntents": _MANAGER,
    "/whatlead.audit.v1.TimelineService/GetMessageIntentTimeline": _MANAGER,
    "/whatlead.audit.v1.TimelineService/GetPauseTimeline": _MANAGER,
    "/whatlead.audit.v1.MetricsService/GetInstanceMetrics": _MANAGER,
    "/whatlead.audit.v1.MetricsService/GetOrganizationMetrics": Grant(roles=_MANAGERS | _PLATFORM),
    "/whatlead.audit.v1.MetricsService/GetMetricsSeries": _MANAGER,
    "/whatlead.audit.v1.MetricsService/GetMetricsBreakdown": _MANAGER,
    "/whatlead.outbox.v1.OutboxService/GetBacklog": _OPERATOR,
    "/whatlead.outbox.v1.OutboxService/ListRefusedItems": _OPERATOR,
    "/whatlead.outbox.v1.OutboxService/ResendRefusedItems": _OPERATOR,
    "/whatlead.audit.v1.EvidenceService/GetCheckpoint": Grant(roles=_MANAGERS | _PLATFORM),
    "/whatlead.audit.v1.EvidenceService/GetInclusionProof": Grant(roles=_MANAGERS | _PLATFORM),
    "/whatlead.audit.v1.EvidenceService/GetConsistencyProof": Grant(roles=_MANAGERS | _PLATFORM),
    "/whatlead.audit.v1.EvidenceService/ListLeaves": Grant(roles=_MANAGERS | _PLATFORM),
}

# Called by probes and tools before anyone has a token; they tell nothing of any organization.
OPEN_SERVICES = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
)


def is_open(method: str) -> bool:
    """Say whether `method` (`/package.Service/Name`) needs no identity."""
    return method[1:].partition("/")[0] in OPEN_SERVICES


def check_complete(descriptors: Iterable[ServiceDescriptor], table: dict[str, Grant] = TABLE) -> None:
    """Raise Incomplete, naming every method of `descriptors` without a row."""
    missing = [
        name
        for descriptor in descriptors
        for method in descriptor.methods
        if (name := f"/{descriptor.full_name}/{method.name}") not in table and not is_open(name)
    ]
    if missing:
        raise Incomplete(f"no row in the authorization table for {', '.join(missing)}")


def authorize(method: str, identity: Identity, table: dict[str, Grant] = TABLE) -> None:
    """Raise Failure PERMISSION_DENIED unless the row of `method` names the caller's role or the peer's service."""
    grant = table.get(method, Grant())
    match identity:
        case Caller(role=role):
            if role not in grant.roles:
                raise Failure(Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", f"role {role} may not make this call")
        case Peer(service=service):
            if service not in grant.services:
                raise Failure(Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", f"service {service} may not make this call")
