"""One transaction of decisions on PostgreSQL: one statement a table, one parcel a receiver. Decides nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.outbox import PostingTransaction
from gate.application.messages import Ending, Held, Verdict, Wait
from gate.application.ports import InstanceKey, Organization, RecipientFacts, RecipientKey
from gate.application.release import Due
from gate.domain.words import IntentState
from gate.infrastructure import rows
from gate.infrastructure.facts import PostgresFacts, recipients_of
from gate.infrastructure.handover import Handover
from gate.infrastructure.statements import queries
from kernel.clock import Clock


class PostgresDeciding(PostgresFacts):
    """Implements `Deciding` on one transaction."""

    def __init__(self, tx: PostingTransaction, handover: Handover, clock: Clock) -> None:
        super().__init__(tx, clock)
        self.tx: PostingTransaction = tx
        self.handover = handover

    async def lock(
        self, organization_ids: Iterable[str], named: Collection[InstanceKey] | None = None
    ) -> dict[str, Organization]:
        wanted = sorted(set(organization_ids))
        locked = await self.tx.fetch(queries.lock_organizations, organization_ids=wanted)
        if len(locked) < len(wanted):
            await self.tx.execute(queries.make_organizations, organization_ids=wanted)
            locked = await self.tx.fetch(queries.lock_organizations, organization_ids=wanted)
        return await self.load(locked, named)

    async def recipients(self, keys: Sequence[RecipientKey]) -> Mapping[RecipientKey, RecipientFacts]:
        found = await self.tx.fetch(
            queries.find_or_make_recipients,
            organization_ids=[organization_id for organization_id, _ in keys],
            number_hashes=[number_hash for _, number_hash in keys],
        )
        return recipients_of(found)

    async def held(self, intents: Sequence[tuple[str, UUID]]) -> Sequence[Held]:
        found = await self.tx.fetch(queries.load_held, **_keys(intents))
        return [rows.held_of(row) for row in found]

    async def claim_due(self, dues: Sequence[Due], now: datetime) -> Sequence[tuple[str, UUID]]:
        found = await self.tx.fetch(
            queries.claim_due,
            organization_ids=[due.organization_id for due in dues],
            intent_ids=[due.intent_id for due in dues],
            now=now,
        )
        return [(row.organization_id, row.intent_id) for row in found]

    async def insert(self, verdicts: Sequence[Verdict], waits: Sequence[Wait]) -> None:
        await self.tx.copy("intent", rows.INTENT_COLUMNS, rows.intent_records(verdicts))
        if waits:
            await self.keep_waiting(waits)

    async def update(self, verdicts: Sequence[Verdict], waits: Sequence[Wait]) -> None:
        if not verdicts:
            return
        intents = [(verdict.message.organization_id, verdict.message.intent_id) for verdict in verdicts]
        await self.tx.execute(queries.keep_past_decisions, **_keys(intents))
        columns = dict(zip(rows.INTENT_COLUMNS, zip(*rows.intent_records(verdicts), strict=True), strict=True))
        await self.tx.execute(
            queries.update_intents,
            **{f"{name}s": list(columns[name]) for name in _CHANGING},
        )
        waiting = {wait.message.intent_id for wait in waits}
        if waits:
            await self.keep_waiting(waits)
        if done := [key for key in intents if key[1] not in waiting]:
            await self.tx.execute(queries.stop_waiting, **_keys(done))

    async def keep_waiting(self, waits: Sequence[Wait]) -> None:
        await self.tx.execute(
            queries.keep_waiting,
            organization_ids=[wait.message.organization_id for wait in waits],
            intent_ids=[wait.message.intent_id for wait in waits],
            due_ats=[wait.due_at for wait in waits],
            waits_fors=[wait.waits_for for wait in waits],
            campaign_ids=[wait.message.campaign_id for wait in waits],
            instance_ids=[wait.message.asked_instance_id for wait in waits],
            expire_times=[wait.message.expire_time for wait in waits],
        )

    async def end(self, endings: Sequence[Ending], now: datetime) -> None:
        """Store that intents ended; those that the executor held have their event from there."""
        if not endings:
            return
        keys = [(end.held.message.organization_id, end.held.message.intent_id) for end in endings]
        with_gate = [end for end in endings if end.held.standing.state is IntentState.QUEUED]
        await self.tx.execute(
            queries.end_intents,
            **_keys(keys),
            states=[end.state for end in endings],
            events=[int(end.held.standing.state is IntentState.QUEUED) for end in endings],
        )
        await self.tx.execute(queries.stop_waiting, **_keys(keys))
        self.handover.tell_endings(self.tx, with_gate, now)

    async def save_schedules(self, organizations: Iterable[Organization]) -> None:
        touched = [
            (organization.organization_id, instance)
            for organization in organizations
            for instance in organization.instances.values()
            if instance.schedule.touched_hours
        ]
        if not touched:
            return
        counts = [
            (organization_id, instance.instance_id, per, number, used[number])
            for organization_id, instance in touched
            for per, used, numbers in (
                ("HOUR", instance.schedule.hours, instance.schedule.touched_hours),
                ("DAY", instance.schedule.days, instance.schedule.touched_days),
            )
            for number in numbers
        ]
        await self.tx.execute(
            queries.save_schedules,
            organization_ids=[organization_id for organization_id, _ in touched],
            instance_ids=[instance.instance_id for _, instance in touched],
            tats=[instance.schedule.tat for _, instance in touched],
            count_organization_ids=[count[0] for count in counts],
            count_instance_ids=[count[1] for count in counts],
            pers=[count[2] for count in counts],
            numbers=[count[3] for count in counts],
            useds=[count[4] for count in counts],
        )

    def tell(self, verdicts: Sequence[Verdict], organizations: Mapping[str, Organization]) -> None:
        self.handover.tell_verdicts(self.tx, verdicts, organizations, self.lanes)


_CHANGING = (
    "organization_id",
    "intent_id",
    "state",
    "sequence",
    "instance_id",
    "slot_at",
    "slot_before",
    "slot_after",
    "decision_number",
    "outcome",
    "reason",
    "decided_at",
    "decision",
)


def _keys(intents: Sequence[tuple[str, UUID]]) -> dict[str, list[str] | list[UUID]]:
    return {
        "organization_ids": [organization_id for organization_id, _ in intents],
        "intent_ids": [intent_id for _, intent_id in intents],
    }
