"""Register and change instances, and end their cooldowns. Decides nothing about intents: what waited is woken."""

from dataclasses import dataclass, replace

from gate.application.changes import Encode, InstanceRecord, Mutation, Work, Works, once
from gate.application.cooldowns import end
from gate.application.ports import Wake
from kernel.clock import Clock
from kernel.errors import Failure, Kind, not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceChange:
    """The new values of an instance; None leaves one as it is. An empty etag matches every version."""

    instance_id: str
    etag: str
    display_name: str | None = None
    provider_account: str | None = None
    connected: bool | None = None


def etag_of(record: InstanceRecord) -> str:
    """Return what changes with each change."""
    return f"{record.version}"


async def create_instance(
    mutation: Mutation,
    record: InstanceRecord,
    *,
    works: Works,
    wake: Wake,
    encode: Encode[InstanceRecord],
) -> bytes:
    """Register an instance. Raises Failure ALREADY_EXISTS if its id is taken."""

    async def change() -> InstanceRecord:
        if await tx.instances.find(mutation.organization_id, record.instance_id) is not None:
            raise Failure(Kind.ALREADY_EXISTS, "ALREADY_EXISTS", f"there is an instance {record.instance_id!r} already")
        await tx.instances.insert(mutation.organization_id, record)
        await tx.tell_lanes(organization, [record.instance_id])
        return record

    async with works.work() as tx:
        organization = (await tx.lock([mutation.organization_id]))[mutation.organization_id]
        answer = await once(tx, mutation, encode, change)
    wake(None)
    return answer


async def update_instance(
    mutation: Mutation,
    wanted: InstanceChange,
    *,
    works: Works,
    clock: Clock,
    wake: Wake,
    encode: Encode[InstanceRecord],
) -> bytes:
    """Change an instance. Raises Failure NOT_FOUND, or ETAG_MISMATCH if it changed since it was read."""

    async def change() -> InstanceRecord:
        record = await _found(tx, mutation.organization_id, wanted.instance_id)
        if wanted.etag and wanted.etag != etag_of(record):
            raise Failure(Kind.ABORTED, "ETAG_MISMATCH", "the instance changed since it was read; read it again")
        changed = replace(
            record,
            display_name=record.display_name if wanted.display_name is None else wanted.display_name,
            provider_account=(record.provider_account if wanted.provider_account is None else wanted.provider_account),
            connected=record.connected if wanted.connected is None else wanted.connected,
            version=record.version + 1,
        )
        await tx.instances.save(mutation.organization_id, changed, clock.now())
        await tx.tell_lanes(organization, [record.instance_id])
        return changed

    async with works.work() as tx:
        organization = (await tx.lock([mutation.organization_id]))[mutation.organization_id]
        answer = await once(tx, mutation, encode, change)
    wake(None)
    return answer


async def end_cooldown(
    mutation: Mutation,
    instance_id: str,
    reason: str,
    *,
    works: Works,
    clock: Clock,
    wake: Wake,
    encode: Encode[InstanceRecord],
) -> bytes:
    """End a cooldown before its time. Raises Failure NOT_FOUND, or WRONG_STATE if there is none."""

    async def change() -> InstanceRecord:
        now = clock.now()
        record = await _found(tx, mutation.organization_id, instance_id)
        if record.cooldown is None or record.cooldown.end_time <= now:
            raise Failure(Kind.FAILED_PRECONDITION, "WRONG_STATE", "the instance is in no cooldown")
        await end(
            tx, mutation.organization_id, instance_id, record.cooldown, at=now, actor=mutation.subject, reason=reason
        )
        return replace(record, cooldown=None, version=record.version + 1)

    async with works.work() as tx:
        await tx.lock([mutation.organization_id])
        answer = await once(tx, mutation, encode, change)
    wake(None)
    return answer


async def _found(tx: Work, organization_id: str, instance_id: str) -> InstanceRecord:
    record = await tx.instances.find(organization_id, instance_id)
    if record is None:
        raise not_found("instance")
    return record
