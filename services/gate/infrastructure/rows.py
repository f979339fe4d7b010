"""Translate between rows and what the use cases carry. Knows column names and no statement."""

from collections.abc import Iterable

from chassis.database import Row
from gate.application.messages import Held, Message, Recorded, Standing, Verdict, View
from gate.domain.facts import Cooldown, Instance
from gate.domain.schedule import Schedule, Slot
from gate.domain.words import Category, IntentState, Outcome
from gate.infrastructure import decision_format
from gate.infrastructure.once import Once

INTENT_COLUMNS = (
    "organization_id",
    "intent_id",
    "request_id",
    "content_hash",
    "campaign_id",
    "asked_instance_id",
    "category",
    "utc_offset",
    "reference",
    "hold_if_paused",
    "expire_time",
    "number_hash",
    "recipient_id",
    "content_digest",
    "sealed",
    "traceparent",
    "submitted_at",
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


def intent_records(verdicts: Iterable[Verdict]) -> list[tuple[object, ...]]:
    """Return the rows of intents, in the order of INTENT_COLUMNS."""
    encoded = Once(decision_format.encode)
    return [_intent_record(verdict, encoded(verdict.recorded)) for verdict in verdicts]


def _intent_record(verdict: Verdict, document: bytes) -> tuple[object, ...]:
    """Return the row of an intent. What is blocked needs no content any more."""
    message, decision, slot = verdict.message, verdict.recorded.decision, verdict.recorded.decision.slot
    return (
        message.organization_id,
        message.intent_id,
        message.request_id,
        message.content_hash,
        message.campaign_id,
        message.asked_instance_id,
        message.category,
        message.utc_offset,
        message.reference,
        message.hold_if_paused,
        message.expire_time,
        message.number_hash,
        message.recipient_id,
        message.content_digest,
        message.sealed if decision.outcome is not Outcome.BLOCKED else b"",
        message.traceparent,
        message.submitted_at,
        decision.outcome,
        next_sequence(verdict),
        decision.instance_id,
        slot.at if slot is not None else None,
        slot.before if slot is not None else None,
        slot.after if slot is not None else None,
        verdict.recorded.number,
        decision.outcome,
        decision.reason or "",
        decision.decided_at,
        document,
    )


def next_sequence(verdict: Verdict) -> int:
    """Return the number after that of the verdict's event."""
    return verdict.sequence + 1


def message_of(row: Row) -> Message:
    """Return the message that a row of `intent` holds."""
    return Message(
        organization_id=row.organization_id,
        intent_id=row.intent_id,
        request_id=row.request_id,
        campaign_id=row.campaign_id,
        asked_instance_id=row.asked_instance_id,
        category=Category(row.category),
        utc_offset=row.utc_offset,
        reference=row.reference,
        hold_if_paused=row.hold_if_paused,
        expire_time=row.expire_time,
        number_hash=row.number_hash,
        recipient_id=row.recipient_id,
        content_digest=row.content_digest,
        content_hash=row.content_hash,
        sealed=row.sealed,
        traceparent=row.traceparent,
        submitted_at=row.submitted_at,
    )


def held_of(row: Row) -> Held:
    """Return an accepted intent as it stands."""
    slot = Slot(row.slot_at, row.slot_before, row.slot_after) if row.slot_at is not None else None
    return Held(
        message=message_of(row),
        standing=Standing(
            state=IntentState(row.state),
            sequence=row.sequence,
            decision_number=row.decision_number,
            instance_id=row.instance_id,
            slot=slot,
            reason=row.reason,
        ),
    )


def recorded_of(row: Row, *, with_rules: bool) -> Recorded:
    """Return the newest decision that a row of `intent` holds."""
    return decision_format.decode(
        number=row.decision_number,
        outcome=row.outcome,
        reason=row.reason,
        decided_at=row.decided_at,
        instance_id=row.instance_id,
        document=row.decision,
        with_rules=with_rules,
    )


def instance_of(row: Row) -> Instance:
    """Return an instance with the counts of its windows."""
    schedule = Schedule(tat=row.tat)
    for per, number, used in zip(row.pers or (), row.numbers or (), row.useds or (), strict=True):
        (schedule.hours if per == "HOUR" else schedule.days)[number] = used
    return Instance(instance_id=row.instance_id, connected=row.connected, cooldown=cooldown_of(row), schedule=schedule)


def cooldown_of(row: Row) -> Cooldown | None:
    """Return the cooldown that an instance's row holds, over or not."""
    if row.cooldown_end is None:
        return None
    return Cooldown(
        reason=row.cooldown_reason,
        level=row.cooldown_level,
        start_time=row.cooldown_start,
        end_time=row.cooldown_end,
    )


def view_of(row: Row, *, with_rules: bool) -> View:
    """Return an intent as it is shown."""
    held = held_of(row)
    return View(message=held.message, standing=held.standing, recorded=recorded_of(row, with_rules=with_rules))
