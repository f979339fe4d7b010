"""Load what decisions are made from, each kind of fact with one statement. Writes nothing and decides nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Row, Transaction
from gate.application.ports import ContentKey, InstanceKey, Organization, RecipientFacts, RecipientKey, Replay
from gate.domain.moments import microseconds
from gate.domain.policy import DEFAULT_POLICY
from gate.domain.schedule import day_of, hour_of
from gate.infrastructure import policy_format, rows
from gate.infrastructure.handover import LaneFacts
from gate.infrastructure.statements import queries
from kernel.clock import Clock
from kernel.ids import uuid7_at


class PostgresFacts:
    """Implements `Facts` and `Evaluating` on one transaction."""

    def __init__(self, tx: Transaction, clock: Clock) -> None:
        self.tx = tx
        self.clock = clock
        self.lanes: dict[tuple[str, str], LaneFacts] = {}

    async def look(self, organization_id: str) -> Organization:
        found = await self.tx.fetch(queries.look_at_organizations, organization_ids=[organization_id])
        if not found:
            return Organization(
                organization_id=organization_id, policy=DEFAULT_POLICY, policy_version=0, lane_version=0
            )
        return (await self.load(found))[organization_id]

    async def load(self, found: Sequence[Row], named: Collection[InstanceKey] | None = None) -> dict[str, Organization]:
        """Return the organizations of these rows with their instances: those named, or all."""
        organizations = {
            row.organization_id: Organization(
                organization_id=row.organization_id,
                policy=policy_format.decode(row.policy),
                policy_version=row.policy_version,
                lane_version=row.lane_version,
            )
            for row in found
        }
        now = microseconds(self.clock.now())
        for row in await self.tx.fetch(
            queries.load_instances,
            organization_ids=list(organizations) if named is None else [],
            named_in=[organization_id for organization_id, _ in named or ()],
            named=[instance_id for _, instance_id in named or ()],
            hour=hour_of(now),
            day=day_of(now),
        ):
            organizations[row.organization_id].instances[row.instance_id] = rows.instance_of(row)
            self.lanes[row.organization_id, row.instance_id] = LaneFacts(
                provider=row.provider, provider_account=row.provider_account
            )
        return organizations

    async def replays(self, request_ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Replay]:
        found = await self.tx.fetch(
            queries.find_replays,
            organization_ids=[organization_id for organization_id, _ in request_ids],
            request_ids=[request_id for _, request_id in request_ids],
        )
        return {
            (row.organization_id, row.request_id): Replay(
                intent_id=row.intent_id,
                content_hash=row.content_hash,
                recorded=rows.recorded_of(row, with_rules=False),
            )
            for row in found
        }

    async def recipients(self, keys: Sequence[RecipientKey]) -> Mapping[RecipientKey, RecipientFacts]:
        found = await self.tx.fetch(
            queries.find_recipients,
            organization_ids=[organization_id for organization_id, _ in keys],
            number_hashes=[number_hash for _, number_hash in keys],
        )
        return recipients_of(found)

    async def contents(
        self, keys: Sequence[ContentKey], since: Mapping[str, datetime]
    ) -> Mapping[ContentKey, Sequence[UUID]]:
        oldest = {organization_id: uuid7_at(moment) for organization_id, moment in since.items()}
        found: dict[ContentKey, list[UUID]] = defaultdict(list)
        for row in await self.tx.fetch(
            queries.find_contents,
            organization_ids=[key[0] for key in keys],
            number_hashes=[key[1] for key in keys],
            content_digests=[key[2] for key in keys],
            since=[oldest[key[0]] for key in keys],
        ):
            found[row.organization_id, row.number_hash, row.content_digest].append(row.intent_id)
        return found


def recipients_of(found: Sequence[Row]) -> Mapping[RecipientKey, RecipientFacts]:
    """Return recipients by organization and number hash."""
    return {
        (row.organization_id, row.number_hash): RecipientFacts(
            recipient_id=row.recipient_id, suppressed=row.suppressed, made=row.made
        )
        for row in found
    }
