"""InstanceService: register, change and read instances; end their cooldowns."""

from collections.abc import Awaitable
from typing import Protocol

from chassis.identity import current_caller
from gate.application.changes import Encode, InstanceRecord, Mutation
from gate.application.instances import InstanceChange, etag_of
from gate.grpc_api.calls import Context, mutation_of, next_token, page_size, position
from gate.infrastructure.reading import ConfigurationReads
from gate.infrastructure.sealing import Vault
from gate.infrastructure.wire import stamp
from kernel.clock import Clock
from kernel.errors import Violation, invalid
from whatlead.gate.v1 import instance_pb2, instance_pb2_grpc

_CHANGEABLE = ("display_name", "provider_account", "connection")


class Create(Protocol):
    """Registers an instance."""

    def __call__(
        self, mutation: Mutation, record: InstanceRecord, *, encode: Encode[InstanceRecord]
    ) -> Awaitable[bytes]: ...


class Update(Protocol):
    """Changes an instance."""

    def __call__(
        self, mutation: Mutation, wanted: InstanceChange, *, encode: Encode[InstanceRecord]
    ) -> Awaitable[bytes]: ...


class EndCooldown(Protocol):
    """Ends a cooldown."""

    def __call__(
        self, mutation: Mutation, instance_id: str, reason: str, *, encode: Encode[InstanceRecord]
    ) -> Awaitable[bytes]: ...


class InstanceApi(instance_pb2_grpc.InstanceServiceServicer):
    """Answers InstanceService."""

    def __init__(
        self,
        *,
        create: Create,
        update: Update,
        end_cooldown: EndCooldown,
        reads: ConfigurationReads,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._create = create
        self._update = update
        self._end_cooldown = end_cooldown
        self._reads = reads
        self._vault = vault
        self._clock = clock

    async def CreateInstance(  # noqa: N802
        self, request: instance_pb2.CreateInstanceRequest, context: Context
    ) -> instance_pb2.CreateInstanceResponse:
        given = request.instance
        missing = [name for name in ("provider", "provider_account") if not getattr(given, name)]
        if missing:
            raise invalid(*(Violation(field=f"instance.{name}", description="must be given") for name in missing))
        record = InstanceRecord(
            instance_id=given.instance_id,
            display_name=given.display_name,
            provider=given.provider,
            provider_account=given.provider_account,
            connected=given.connection != instance_pb2.CONNECTION_DISCONNECTED,
            version=1,
            created_at=self._clock.now(),
            cooldown=None,
        )

        def encode(stored: InstanceRecord) -> bytes:
            return instance_pb2.CreateInstanceResponse(instance=self._to_proto(stored)).SerializeToString()

        answer = await self._create(mutation_of(request, self._vault), record, encode=encode)
        return instance_pb2.CreateInstanceResponse.FromString(answer)

    async def UpdateInstance(  # noqa: N802
        self, request: instance_pb2.UpdateInstanceRequest, context: Context
    ) -> instance_pb2.UpdateInstanceResponse:
        def encode(stored: InstanceRecord) -> bytes:
            return instance_pb2.UpdateInstanceResponse(instance=self._to_proto(stored)).SerializeToString()

        answer = await self._update(mutation_of(request, self._vault), _change(request), encode=encode)
        return instance_pb2.UpdateInstanceResponse.FromString(answer)

    async def GetInstance(  # noqa: N802
        self, request: instance_pb2.GetInstanceRequest, context: Context
    ) -> instance_pb2.GetInstanceResponse:
        record = await self._reads.instance(current_caller().organization_id, request.instance_id)
        return instance_pb2.GetInstanceResponse(instance=self._to_proto(record))

    async def ListInstances(  # noqa: N802
        self, request: instance_pb2.ListInstancesRequest, context: Context
    ) -> instance_pb2.ListInstancesResponse:
        organization_id = current_caller().organization_id
        most = page_size(request)
        records = await self._reads.instances(organization_id, after=position(organization_id, request), most=most + 1)
        token = next_token(organization_id, request, records[most - 1].instance_id) if len(records) > most else ""
        return instance_pb2.ListInstancesResponse(
            instances=[self._to_proto(record) for record in records[:most]], next_page_token=token
        )

    async def EndCooldown(  # noqa: N802
        self, request: instance_pb2.EndCooldownRequest, context: Context
    ) -> instance_pb2.EndCooldownResponse:
        def encode(stored: InstanceRecord) -> bytes:
            return instance_pb2.EndCooldownResponse(instance=self._to_proto(stored)).SerializeToString()

        answer = await self._end_cooldown(
            mutation_of(request, self._vault), request.instance_id, request.reason, encode=encode
        )
        return instance_pb2.EndCooldownResponse.FromString(answer)

    def _to_proto(self, record: InstanceRecord) -> instance_pb2.Instance:
        cooldown = record.cooldown
        if cooldown is not None and cooldown.end_time <= self._clock.now():
            cooldown = None
        return instance_pb2.Instance(
            instance_id=record.instance_id,
            display_name=record.display_name,
            provider=record.provider,
            provider_account=record.provider_account,
            connection=(
                instance_pb2.CONNECTION_CONNECTED if record.connected else instance_pb2.CONNECTION_DISCONNECTED
            ),
            cooldown=(
                instance_pb2.Cooldown(
                    reason=cooldown.reason,
                    start_time=stamp(cooldown.start_time),
                    end_time=stamp(cooldown.end_time),
                    level=cooldown.level,
                )
                if cooldown is not None
                else None
            ),
            etag=etag_of(record),
            create_time=stamp(record.created_at),
        )


def _change(request: instance_pb2.UpdateInstanceRequest) -> InstanceChange:
    paths, given = request.update_mask.paths, request.instance
    violations = [
        Violation(field="update_mask", description=f"{path!r} cannot be changed; one of {', '.join(_CHANGEABLE)} can")
        for path in paths
        if path not in _CHANGEABLE
    ]
    if not paths:
        violations.append(Violation(field="update_mask", description="must name at least one field"))
    if "provider_account" in paths and not given.provider_account:
        violations.append(Violation(field="instance.provider_account", description="must be given"))
    if "connection" in paths and given.connection == instance_pb2.CONNECTION_UNSPECIFIED:
        violations.append(Violation(field="instance.connection", description="must be given"))
    if violations:
        raise invalid(*violations)
    connected = given.connection == instance_pb2.CONNECTION_CONNECTED
    return InstanceChange(
        instance_id=given.instance_id,
        etag=given.etag,
        display_name=given.display_name if "display_name" in paths else None,
        provider_account=given.provider_account if "provider_account" in paths else None,
        connected=connected if "connection" in paths else None,
    )
