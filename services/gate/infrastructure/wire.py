"""Build what leaves the gate: events for audit, jobs and lanes for the executor. Stores and sends nothing.

Items are serialised one by one and joined as the repeated field of their request, so that nothing is built twice.
What was sealed at submit is already the part of a job that holds number and content: messages merge by concatenation.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gate.application.messages import Ending, Message, Recorded, Verdict
from gate.application.subjects import SubjectRequest
from gate.domain.decision import Decision
from gate.domain.facts import Cooldown
from gate.domain.moments import microseconds, timestamp
from gate.domain.policy import Policy
from gate.domain.schedule import SECOND
from gate.domain.words import CancelOutcome, Category, EraseOutcome, IntentState, Outcome
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2

PRODUCER = "gate"
SYSTEM = "system"
_EVENTS_TAG = b"\x0a"
_JOBS_TAG = b"\x12"
_TYPES = {
    Outcome.APPROVED: event_pb2.EVENT_TYPE_MESSAGE_APPROVED,
    Outcome.QUEUED: event_pb2.EVENT_TYPE_MESSAGE_QUEUED,
    Outcome.BLOCKED: event_pb2.EVENT_TYPE_MESSAGE_BLOCKED,
}
CANCELS = {intent_pb2.CancelOutcome.Value(f"CANCEL_OUTCOME_{outcome}"): outcome for outcome in CancelOutcome}
ERASURES = {executor_pb2.EraseOutcome.Value(f"ERASE_OUTCOME_{outcome}"): outcome for outcome in EraseOutcome}
CATEGORIES = {category: intent_pb2.Category.Value(f"CATEGORY_{category}") for category in Category}


def delimited(tag: bytes, item: bytes) -> bytes:
    """Return an item of a repeated field."""
    return tag + _varint(len(item)) + item


@lru_cache(maxsize=4096)
def _varint(number: int) -> bytes:
    """Return how protobuf writes a length; what is told has few of them."""
    length = bytearray()
    while number > 0x7F:
        length.append(number & 0x7F | 0x80)
        number >>= 7
    length.append(number)
    return bytes(length)


def as_event(event: event_pb2.OperationalEvent) -> bytes:
    """Return an event as an item of RecordEventsRequest."""
    return delimited(_EVENTS_TAG, event.SerializeToString())


@lru_cache(maxsize=4096)
def stamp(moment: datetime | None) -> Timestamp | None:
    """Return a timestamp, exact to the microsecond, to be copied from: a batch has few moments and tells them often."""
    if moment is None:
        return None
    whole, rest = divmod(microseconds(moment), SECOND)
    return Timestamp(seconds=whole, nanos=rest * 1000)


def trace_id(traceparent: str) -> str:
    """Return the trace that a traceparent names."""
    return traceparent[3:35]


def decision_event(verdict: Verdict) -> event_pb2.OperationalEvent:
    """Return MessageApproved, MessageQueued or MessageBlocked."""
    message, decision = verdict.message, verdict.recorded.decision
    decided_at = stamp(decision.decided_at)
    return event_pb2.OperationalEvent(
        event_id=str(uuid7()),
        organization_id=message.organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_INTENT,
        aggregate_id=str(message.intent_id),
        sequence=verdict.sequence,
        type=_TYPES[decision.outcome],
        occurred_at=decided_at,
        producer=PRODUCER,
        trace_id=trace_id(message.traceparent),
        actor=verdict.recorded.decided_by,
        instance_id=decision.instance_id,
        campaign_id=message.campaign_id,
        reason=decision.reason or "",
        decision=_detail(message, verdict.recorded, decision),
    )


def decision_events(verdicts: Sequence[Verdict]) -> Iterator[bytes]:
    """Yield the events of verdicts as items; one is built for all that are alike, and filled in for each."""
    alike: dict[tuple[object, ...], event_pb2.OperationalEvent] = {}
    for verdict in verdicts:
        message = verdict.message
        told = (
            message.organization_id,
            message.campaign_id,
            message.traceparent,
            message.submitted_at,
            verdict.sequence,
            id(verdict.recorded),
        )
        event = alike.get(told)
        if event is None:
            event = alike[told] = decision_event(verdict)
        else:
            event.event_id = str(uuid7())
            event.aggregate_id = str(message.intent_id)
            event.decision.reference = message.reference
            event.decision.request_id = message.request_id
        yield as_event(event)


def _detail(message: Message, recorded: Recorded, decision: Decision) -> event_pb2.DecisionDetail:
    decisive = decision.decisive
    tightest = decision.tightest_limit
    return event_pb2.DecisionDetail(
        number=recorded.number,
        rule=decisive.rule if decisive is not None else "",
        binding_limiter=decision.binding_limiter or "",
        policy_version=decision.policy_version,
        control_version=decision.control_version,
        earliest_time=stamp(decision.earliest_time),
        tightest_limit=tightest.rule if tightest is not None else "",
        tightest_used=tightest.used if tightest is not None else 0,
        tightest_max=tightest.limit if tightest is not None else 0,
        submitted_at=stamp(message.submitted_at),
        approved_until=stamp(decision.approved_until),
        reference=message.reference,
        request_id=message.request_id,
        binding_used=(decisive.used or 0) if decisive is not None else 0,
        binding_max=(decisive.limit or 0) if decisive is not None else 0,
    )


def ending_event(ending: Ending, now: datetime) -> event_pb2.OperationalEvent:
    """Return MessageCanceled or MessageExpired."""
    message, standing = ending.held.message, ending.held.standing
    expired = ending.state is IntentState.EXPIRED
    return event_pb2.OperationalEvent(
        event_id=str(uuid7()),
        organization_id=message.organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_INTENT,
        aggregate_id=str(message.intent_id),
        sequence=standing.sequence,
        type=event_pb2.EVENT_TYPE_MESSAGE_EXPIRED if expired else event_pb2.EVENT_TYPE_MESSAGE_CANCELED,
        occurred_at=stamp(now),
        producer=PRODUCER,
        trace_id=trace_id(message.traceparent),
        actor=ending.actor,
        instance_id=standing.instance_id,
        campaign_id=message.campaign_id,
        reason=ending.reason,
        note=event_pb2.NoteDetail(note=ending.note, decision_number=standing.decision_number),
    )


def approved_jobs(
    verdicts: Sequence[Verdict], *, content_of: Callable[[Message], bytes], policy_of: Callable[[Message], Policy]
) -> Iterator[bytes]:
    """Yield the jobs of approved intents as items; `content_of` opens what was sealed.

    One is built for all that are alike, and filled in for each.
    """
    alike: dict[tuple[object, ...], executor_pb2.ApprovedIntent] = {}
    for verdict in verdicts:
        message = verdict.message
        told = (
            message.organization_id,
            message.campaign_id,
            message.category,
            message.traceparent,
            message.submitted_at,
            message.expire_time,
            verdict.sequence,
            id(verdict.recorded),
        )
        job = alike.get(told)
        if job is None:
            job = alike[told] = _approved_job(verdict, policy_of(message))
        else:
            job.intent_id = str(message.intent_id)
            job.recipient_id = str(message.recipient_id)
        yield delimited(_JOBS_TAG, job.SerializeToString() + content_of(message))


def _approved_job(verdict: Verdict, policy: Policy) -> executor_pb2.ApprovedIntent:
    message, decision = verdict.message, verdict.recorded.decision
    return executor_pb2.ApprovedIntent(
        organization_id=message.organization_id,
        intent_id=str(message.intent_id),
        decision_number=verdict.recorded.number,
        sequence=verdict.sequence + 1,
        instance_id=decision.instance_id,
        campaign_id=message.campaign_id,
        category=CATEGORIES[message.category],
        recipient_id=str(message.recipient_id),
        submitted_at=stamp(message.submitted_at),
        approved_at=stamp(decision.decided_at),
        approved_until=stamp(decision.approved_until),
        expire_time=stamp(message.expire_time),
        not_before=stamp(timestamp(decision.slot.at)) if decision.slot is not None else None,
        retry_unknown=message.category in policy.retry_unknown,
        traceparent=message.traceparent,
    )


def lane(
    *,
    organization_id: str,
    instance_id: str,
    version: int,
    provider: str,
    provider_account: str,
    policy: Policy,
) -> executor_pb2.Lane:
    """Return how the executor has to send from an instance."""
    pace = policy.pace
    return executor_pb2.Lane(
        organization_id=organization_id,
        instance_id=instance_id,
        version=version,
        provider=provider,
        provider_account=provider_account,
        gap=Duration(seconds=pace.gap // SECOND, nanos=pace.gap % SECOND * 1000) if pace is not None else None,
        burst=pace.burst if pace is not None else 0,
    )


def cooldown_event(
    *,
    organization_id: str,
    instance_id: str,
    cooldown: Cooldown,
    started: bool,
    at: datetime,
    actor: str,
    failures: int = 0,
    sends: int = 0,
) -> event_pb2.OperationalEvent:
    """Return InstanceCooldownStarted or InstanceCooldownEnded."""
    kind = event_pb2.EVENT_TYPE_INSTANCE_COOLDOWN_STARTED if started else event_pb2.EVENT_TYPE_INSTANCE_COOLDOWN_ENDED
    return event_pb2.OperationalEvent(
        event_id=str(uuid7()),
        organization_id=organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_INSTANCE,
        aggregate_id=instance_id,
        type=kind,
        occurred_at=stamp(at),
        producer=PRODUCER,
        actor=actor,
        instance_id=instance_id,
        reason=cooldown.reason,
        cooldown=event_pb2.CooldownDetail(
            level=cooldown.level,
            start_time=stamp(cooldown.start_time),
            end_time=stamp(cooldown.end_time if started else at),
            failures=failures,
            sends=sends,
        ),
    )


def subject_events(request: SubjectRequest, at: datetime) -> Iterable[event_pb2.OperationalEvent]:
    """Yield SubjectErased or SubjectExported, and for each forgotten intent MessageErased, which names no person."""
    kind = event_pb2.EVENT_TYPE_SUBJECT_ERASED if request.erased else event_pb2.EVENT_TYPE_SUBJECT_EXPORTED
    yield event_pb2.OperationalEvent(
        event_id=str(uuid7()),
        organization_id=request.organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_RECIPIENT,
        aggregate_id=str(request.recipient_id),
        type=kind,
        occurred_at=stamp(at),
        producer=PRODUCER,
        actor=request.actor,
        subject=event_pb2.SubjectDetail(note=request.reason, intents=request.intents, canceled=request.canceled),
    )
    for intent_id in request.forgotten:
        yield event_pb2.OperationalEvent(
            event_id=str(uuid7()),
            organization_id=request.organization_id,
            aggregate_type=event_pb2.AGGREGATE_TYPE_INTENT,
            aggregate_id=str(intent_id),
            type=event_pb2.EVENT_TYPE_MESSAGE_ERASED,
            occurred_at=stamp(at),
            producer=PRODUCER,
            actor=request.actor,
            note=event_pb2.NoteDetail(note=request.reason),
        )


def backlog_event(
    *, organization_id: str, waiting: int, oldest: datetime | None, at: datetime
) -> event_pb2.OperationalEvent:
    """Return BacklogMeasured."""
    return event_pb2.OperationalEvent(
        event_id=str(uuid7()),
        organization_id=organization_id,
        aggregate_type=event_pb2.AGGREGATE_TYPE_ORGANIZATION,
        aggregate_id=organization_id,
        type=event_pb2.EVENT_TYPE_BACKLOG_MEASURED,
        occurred_at=stamp(at),
        producer=PRODUCER,
        actor=SYSTEM,
        backlog=event_pb2.BacklogDetail(waiting=waiting, oldest=stamp(oldest)),
    )


def joined(items: Iterable[bytes], *, most_bytes: int, most_items: int) -> Iterable[tuple[bytes, int]]:
    """Join items into payloads of bounded size, with how many each holds."""
    parts: list[bytes] = []
    size = 0
    for item in items:
        if parts and (size + len(item) > most_bytes or len(parts) >= most_items):
            yield b"".join(parts), len(parts)
            parts, size = [], 0
        parts.append(item)
        size += len(item)
    if parts:
        yield b"".join(parts), len(parts)
