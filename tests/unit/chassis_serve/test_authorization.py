"""The table has a row for every method of every contract, no other rows, and says what design and contracts say."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from chassis.authorization import TABLE, Grant, Incomplete, authorize, check_complete, is_open
from chassis.identity import Caller, Identity, Peer, Role
from kernel.errors import Failure, Kind

PROTOS = Path(__file__).parents[3] / "protos"


def contracts() -> Iterator[ServiceDescriptor]:
    for path in sorted(PROTOS.glob("whatlead/*/v1/*.proto")):
        module = import_module(str(path.relative_to(PROTOS).with_suffix("")).replace("/", ".") + "_pb2")
        yield from module.DESCRIPTOR.services_by_name.values()


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    methods = {f"/{service.full_name}/{method.name}" for service in contracts() for method in service.methods}
    assert methods == set(TABLE)
    check_complete(contracts())


def test_a_method_without_a_row_is_named() -> None:
    service = next(service for service in contracts() if service.name == "GateService")
    table = {name: grant for name, grant in TABLE.items() if not name.endswith("/SubmitIntents")}
    with pytest.raises(Incomplete, match=r"/whatlead\.gate\.v1\.GateService/SubmitIntents"):
        check_complete([service], table)


def test_no_row_grants_nothing_to_nobody() -> None:
    assert [name for name, grant in TABLE.items() if not grant.roles and not grant.services] == []


@pytest.mark.parametrize(
    "method",
    [
        "gate.v1.GateService/ReturnIntents",
        "executor.v1.ExecutorService/AcceptJobs",
        "executor.v1.ExecutorService/EraseJobs",
        "executor.v1.ExecutorService/ExportJobs",
        "control.v1.ControlService/CheckExecutions",
        "audit.v1.EventService/RecordEvents",
    ],
)
def test_internal_calls_know_no_role(method: str) -> None:
    assert TABLE[f"/whatlead.{method}"].roles == frozenset()


MEMBER_MAY_NOT = [
    "gate.v1.InstanceService/CreateInstance",
    "gate.v1.InstanceService/UpdateInstance",
    "gate.v1.InstanceService/EndCooldown",
    "gate.v1.PolicyService/UpdatePolicy",
    "gate.v1.PolicyService/AddSuppressions",
    "gate.v1.PolicyService/RemoveSuppressions",
    "gate.v1.SubjectService/EraseSubject",
    "gate.v1.SubjectService/ExportSubject",
    "executor.v1.ExecutorService/RetryJobs",
    "executor.v1.ExecutorService/CancelJobs",
    "executor.v1.ExecutorService/ResolveOutcome",
    "control.v1.ControlService/Resume",
    "audit.v1.EventService/ListEvents",
    "audit.v1.EventService/WatchEvents",
    "audit.v1.EventService/TallyIntents",
    "audit.v1.TimelineService/GetMessageIntentTimeline",
    "audit.v1.TimelineService/GetPauseTimeline",
    "audit.v1.MetricsService/GetInstanceMetrics",
    "audit.v1.MetricsService/GetOrganizationMetrics",
    "audit.v1.MetricsService/GetMetricsSeries",
    "audit.v1.MetricsService/GetMetricsBreakdown",
    "outbox.v1.OutboxService/GetBacklog",
    "outbox.v1.OutboxService/ListRefusedItems",
    "outbox.v1.OutboxService/ResendRefusedItems",
    "audit.v1.EvidenceService/GetCheckpoint",
    "audit.v1.EvidenceService/GetInclusionProof",
    "audit.v1.EvidenceService/GetConsistencyProof",
    "audit.v1.EvidenceService/ListLeaves",
]


def test_a_member_may_do_all_but_what_managers_do() -> None:
    public = {name for name, grant in TABLE.items() if grant.roles}
    denied = {name for name in public if Role.MEMBER not in TABLE[name].roles}
    assert denied == {f"/whatlead.{method}" for method in MEMBER_MAY_NOT}


def test_owners_and_admins_may_make_every_public_call_of_an_organization_but_erasure_is_the_owners() -> None:
    for method, grant in TABLE.items():
        managers = {Role.OWNER} if "SubjectService" in method else {Role.OWNER, Role.ADMIN}
        if "OutboxService" in method:
            managers = set()  # an outbox holds the items of all organizations
        assert not grant.roles or grant.roles & {Role.OWNER, Role.ADMIN} == managers, method


def caller(role: Role) -> Caller:
    return Caller(subject="s", organization_id="o", role=role)


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        (caller(Role.OWNER), True),
        (caller(Role.MEMBER), False),
        (Peer(service="gate"), True),
        (Peer(service="audit"), False),
        (Peer(service="owner"), False),
    ],
    ids=str,
)
def test_a_row_is_kept(identity: Identity, allowed: bool) -> None:
    table = {"/p.S/M": Grant(roles=frozenset({Role.OWNER}), services=frozenset({"gate"}))}
    if allowed:
        authorize("/p.S/M", identity, table)
        return
    with pytest.raises(Failure) as raised:
        authorize("/p.S/M", identity, table)
    assert (raised.value.kind, raised.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


def test_a_method_that_nobody_listed_is_denied() -> None:
    with pytest.raises(Failure):
        authorize("/p.S/Other", caller(Role.OWNER), {})


def test_only_health_and_reflection_are_open() -> None:
    assert is_open("/grpc.health.v1.Health/Check")
    assert is_open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    assert not any(is_open(name) for name in TABLE)
    assert not is_open("/grpc.health.v1.HealthX/Check")
