"""Changes on PostgreSQL: instances, policies and answers by request id. Decides nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Row, Transaction
from chassis.outbox import PostingTransaction
from gate.application.changes import CooldownChange, InstanceRecord, Mutation, StoredPolicy
from gate.application.ports import Organization
from gate.application.subjects import SubjectRequest
from gate.domain.facts import Cooldown
from gate.domain.moments import microseconds
from gate.infrastructure import policy_format, rows, wire
from gate.infrastructure.deciding import PostgresDeciding
from gate.infrastructure.handover import Handover, LaneFacts
from gate.infrastructure.statements import queries
from gate.infrastructure.subjects import PostgresSubjects
from gate.infrastructure.suppressions import PostgresSuppressions
from kernel.clock import Clock
from kernel.errors import Failure, Kind


@dataclass(frozen=True, slots=True)
class PostgresMutations:
    """Implements `Mutations`."""

    tx: Transaction

    async def replay(self, mutation: Mutation) -> bytes | None:
        row = await self.tx.fetch_one(
            queries.get_mutation,
            organization_id=mutation.organization_id,
            method=mutation.method,
            request_id=mutation.request_id,
        )
        if row is None:
            return None
        if row.content_hash != mutation.content_hash:
            raise Failure(
                Kind.ALREADY_EXISTS,
                "REQUEST_ID_REUSED",
                "this request id came before with other content; use a new one for new content",
            )
        answer: bytes = row.answer
        return answer

    async def remember(self, mutation: Mutation, answer: bytes) -> None:
        await self.tx.execute(
            queries.insert_mutation,
            organization_id=mutation.organization_id,
            method=mutation.method,
            request_id=mutation.request_id,
            content_hash=mutation.content_hash,
            answer=answer,
        )

    async def amend(self, mutation: Mutation, answer: bytes) -> None:
        await self.tx.execute(
            queries.amend_mutation,
            organization_id=mutation.organization_id,
            method=mutation.method,
            request_id=mutation.request_id,
            answer=answer,
        )


@dataclass(frozen=True, slots=True)
class PostgresInstances:
    """Implements `Instances`."""

    tx: Transaction

    async def find(self, organization_id: str, instance_id: str) -> InstanceRecord | None:
        row = await self.tx.fetch_one(queries.get_instance, organization_id=organization_id, instance_id=instance_id)
        return instance_record(row) if row is not None else None

    async def insert(self, organization_id: str, record: InstanceRecord) -> None:
        await self.tx.execute(
            queries.insert_instance,
            organization_id=organization_id,
            instance_id=record.instance_id,
            display_name=record.display_name,
            provider=record.provider,
            provider_account=record.provider_account,
            connected=record.connected,
            version=record.version,
            created_at=record.created_at,
        )

    async def save(self, organization_id: str, record: InstanceRecord, at: datetime) -> None:
        await self.tx.execute(
            queries.update_instance,
            organization_id=organization_id,
            instance_id=record.instance_id,
            display_name=record.display_name,
            provider_account=record.provider_account,
            connected=record.connected,
            version=record.version,
            at=at,
        )

    async def end_cooldown(self, organization_id: str, instance_id: str, at: datetime, *, by: str, reason: str) -> None:
        await self.tx.execute(
            queries.end_cooldown,
            organization_id=organization_id,
            instance_id=instance_id,
            at=at,
            by=by,
            reason=reason,
        )

    async def cooldown_starts(self, organization_id: str, instance_id: str, since: datetime) -> Sequence[datetime]:
        found = await self.tx.fetch(
            queries.list_cooldown_starts, organization_id=organization_id, instance_id=instance_id, since=since
        )
        return [row.start_time for row in found]

    async def start_cooldown(self, organization_id: str, instance_id: str, cooldown: Cooldown) -> None:
        await self.tx.execute(
            queries.start_cooldown,
            organization_id=organization_id,
            instance_id=instance_id,
            reason=cooldown.reason,
            level=cooldown.level,
            start_time=cooldown.start_time,
            end_time=cooldown.end_time,
        )


def instance_record(row: Row) -> InstanceRecord:
    """Return the instance that a row holds."""
    return InstanceRecord(
        instance_id=row.instance_id,
        display_name=row.display_name,
        provider=row.provider,
        provider_account=row.provider_account,
        connected=row.connected,
        version=row.version,
        created_at=row.created_at,
        cooldown=rows.cooldown_of(row),
    )


def stored_policy(row: Row | None) -> StoredPolicy:
    """Return the policy that a row holds; without one, the default."""
    if row is None:
        return StoredPolicy(policy=policy_format.decode(None), version=0, created_at=None, created_by="")
    return StoredPolicy(
        policy=policy_format.decode(row.document),
        version=row.version,
        created_at=row.created_at,
        created_by=row.created_by,
    )


@dataclass(frozen=True, slots=True)
class PostgresPolicies:
    """Implements `Policies`."""

    tx: Transaction

    async def current(self, organization_id: str) -> StoredPolicy:
        return stored_policy(await self.tx.fetch_one(queries.get_policy, organization_id=organization_id))

    async def put(self, organization_id: str, stored: StoredPolicy) -> None:
        await self.tx.execute(
            queries.put_policy,
            organization_id=organization_id,
            version=stored.version,
            document=policy_format.encode(stored.policy),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )

    async def give_up_slots(self, organization_id: str, now: datetime) -> None:
        await self.tx.execute(queries.give_up_slots, organization_id=organization_id, now=now, moment=microseconds(now))


class PostgresWork(PostgresDeciding):
    """Implements `Work` on one transaction."""

    def __init__(self, tx: PostingTransaction, handover: Handover, clock: Clock) -> None:
        super().__init__(tx, handover, clock)
        self.mutations = PostgresMutations(tx)
        self.instances = PostgresInstances(tx)
        self.policies = PostgresPolicies(tx)
        self.suppressions = PostgresSuppressions(tx)
        self.subjects = PostgresSubjects(tx)

    async def tell_lanes(self, organization: Organization, instance_ids: Iterable[str]) -> None:
        row = await self.tx.fetch_one(queries.next_lane_version, organization_id=organization.organization_id)
        assert row is not None, "the organization's row is locked"  # noqa: S101 - a bug, and told as one
        organization.lane_version = row.lane_version
        wanted = set(instance_ids)
        found = await self.tx.fetch(queries.load_lanes, organization_id=organization.organization_id)
        self.handover.tell_lanes(
            self.tx,
            (
                (
                    organization,
                    lane.instance_id,
                    LaneFacts(provider=lane.provider, provider_account=lane.provider_account),
                )
                for lane in found
                if lane.instance_id in wanted
            ),
        )

    def tell_subject(self, request: SubjectRequest, at: datetime) -> None:
        self.handover.tell_events(self.tx, wire.subject_events(request, at))

    def tell_cooldowns(self, changes: Sequence[CooldownChange]) -> None:
        self.handover.tell_events(
            self.tx,
            (
                wire.cooldown_event(
                    organization_id=change.organization_id,
                    instance_id=change.instance_id,
                    cooldown=change.cooldown,
                    started=change.started,
                    at=change.at,
                    actor=change.actor,
                    failures=change.failures,
                    sends=change.sends,
                )
                for change in changes
            ),
        )
