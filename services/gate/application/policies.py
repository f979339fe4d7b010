"""Put policies in force. What waits for a slot gets a new one by the new limits. Judges nothing by them."""

from gate.application.changes import Encode, Mutation, StoredPolicy, Works, once
from gate.application.ports import Wake
from gate.domain.policy import Policy
from kernel.clock import Clock
from kernel.errors import Failure, Kind


def etag_of(stored: StoredPolicy) -> str:
    """Return what changes with each version."""
    return f"{stored.version}"


async def update_policy(
    mutation: Mutation,
    policy: Policy,
    etag: str,
    *,
    validate_only: bool,
    works: Works,
    clock: Clock,
    wake: Wake,
    encode: Encode[StoredPolicy],
) -> bytes:
    """Store a version and put it in force. Raises Failure ETAG_MISMATCH if another one came between."""

    async def next_version() -> StoredPolicy:
        current = await tx.policies.current(mutation.organization_id)
        if etag and etag != etag_of(current):
            raise Failure(Kind.ABORTED, "ETAG_MISMATCH", "the policy changed since it was read; read it again")
        return StoredPolicy(
            policy=policy,
            version=current.version + 1,
            created_at=clock.now(),
            created_by=mutation.subject,
        )

    async def change() -> StoredPolicy:
        stored = await next_version()
        await tx.policies.put(mutation.organization_id, stored)
        await tx.policies.give_up_slots(mutation.organization_id, clock.now())
        organization.policy, organization.policy_version = policy, stored.version
        await tx.tell_lanes(organization, sorted(organization.instances))
        return stored

    async with works.work() as tx:
        organization = (await tx.lock([mutation.organization_id]))[mutation.organization_id]
        if validate_only:
            return encode(await next_version())
        answer = await once(tx, mutation, encode, change)
    wake(clock.now())
    return answer
