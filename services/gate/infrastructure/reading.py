"""Read intents for callers. Each read is one statement, outside any transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Database
from gate.application.changes import InstanceRecord, StoredPolicy
from gate.application.messages import View
from gate.infrastructure import rows
from gate.infrastructure.changing import PostgresInstances, PostgresPolicies, instance_record
from gate.infrastructure.statements import queries
from kernel.errors import not_found

LAST_INTENT = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFilter:
    """What a list of intents is narrowed to; empty matches all."""

    campaign_id: str
    instance_id: str
    state: str
    reason: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCount:
    """How many intents wait in one campaign for one instance (empty: any of the organization's)."""

    organization_id: str
    instance_id: str
    campaign_id: str
    intents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentReads:
    """Reads intents of one organization at a time, and counts what waits."""

    database: Database

    async def one(self, organization_id: str, *, intent_id: UUID | None = None, request_id: str | None = None) -> View:
        """Return an intent by one of its ids. Raises Failure NOT_FOUND, also for somebody else's."""
        async with self.database.autocommit() as tx:
            if intent_id is not None:
                row = await tx.fetch_one(queries.get_intent, organization_id=organization_id, intent_id=intent_id)
            else:
                row = await tx.fetch_one(
                    queries.get_intent_by_request, organization_id=organization_id, request_id=request_id
                )
        if row is None:
            raise not_found("intent")
        return rows.view_of(row, with_rules=True)

    async def newest(self, organization_id: str, wanted: IntentFilter, *, before: UUID, most: int) -> Sequence[View]:
        """Return the newest intents below `before` that match."""
        query, named = queries.list_intents, {}
        if wanted.reference:
            query, named = queries.list_intents_of_reference, {"reference": wanted.reference}
        async with self.database.autocommit() as tx:
            found = await tx.fetch(
                query,
                organization_id=organization_id,
                before=before,
                campaign_id=wanted.campaign_id,
                instance_id=wanted.instance_id,
                state=wanted.state,
                reason=wanted.reason,
                most=most,
                **named,
            )
        return [rows.view_of(row, with_rules=False) for row in found]

    async def count_waiting(self, organization_id: str, instance_id: str, campaign_id: str) -> Sequence[WaitingCount]:
        """Count what a pause of this scope would hold here; an empty id stands for all."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(
                queries.count_waiting,
                organization_id=organization_id,
                instance_id=instance_id,
                campaign_id=campaign_id,
            )
        return [
            WaitingCount(
                organization_id=row.organization_id,
                instance_id=row.instance_id,
                campaign_id=row.campaign_id,
                intents=row.intents,
            )
            for row in found
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One person who is not written to."""

    recipient_id: UUID
    reason: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReads:
    """Reads instances, policies and suppressions of one organization at a time."""

    database: Database

    async def instance(self, organization_id: str, instance_id: str) -> InstanceRecord:
        """Return an instance. Raises Failure NOT_FOUND."""
        async with self.database.autocommit() as tx:
            record = await PostgresInstances(tx).find(organization_id, instance_id)
        if record is None:
            raise not_found("instance")
        return record

    async def instances(self, organization_id: str, *, after: str, most: int) -> Sequence[InstanceRecord]:
        """Return instances by id."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(queries.list_instances, organization_id=organization_id, after=after, most=most)
        return [instance_record(row) for row in found]

    async def policy(self, organization_id: str) -> StoredPolicy:
        """Return the policy in force."""
        async with self.database.autocommit() as tx:
            return await PostgresPolicies(tx).current(organization_id)

    async def suppressions(
        self, organization_id: str, *, before: tuple[datetime, UUID], most: int
    ) -> Sequence[Suppression]:
        """Return the newest suppressions below `before`."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(
                queries.list_suppressions,
                organization_id=organization_id,
                before=before[0],
                before_id=before[1],
                most=most,
            )
        return [
            Suppression(
                recipient_id=row.recipient_id,
                reason=row.suppression_reason,
                created_by=row.suppressed_by,
                created_at=row.suppressed_at,
            )
            for row in found
        ]
