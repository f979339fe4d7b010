"""What changes tell others, serialised as the requests that carry it: events, signals, returns. Knows no table.

WhatsApp's ids of messages hold the recipient's number in Base64: events carry a fingerprint in their place.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, assert_never
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from executor.domain.change import Change, Delivery, Fact, Hold, Note, Signal
from executor.domain.job import Attempt, Job
from executor.domain.words import EXECUTOR, FactType, SignalKind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import gate_pb2, signal_pb2

_TYPES = {type_: event_pb2.EventType.Value(f"EVENT_TYPE_{type_.value}") for type_ in FactType}
_KINDS = {kind: signal_pb2.SignalKind.Value(f"SIGNAL_KIND_{kind.value}") for kind in SignalKind}
_INTENT = event_pb2.AggregateType.AGGREGATE_TYPE_INTENT
_ORGANIZATION = event_pb2.AggregateType.AGGREGATE_TYPE_ORGANIZATION


class _Alike(NamedTuple):
    """What signals have in common that are told as one."""

    organization_id: str
    instance_id: str
    kind: SignalKind
    code: str
    minute: datetime


@dataclass(slots=True)
class Telling:
    """What one transaction tells audit and the gate."""

    events: list[bytes] = field(default_factory=list)
    returns: list[gate_pb2.ReturnedIntent] = field(default_factory=list)
    _signals: list[signal_pb2.Signal] = field(default_factory=list)
    _counted: dict[_Alike, int] = field(default_factory=lambda: defaultdict(int))
    _latest: dict[_Alike, datetime] = field(default_factory=dict)

    def change(self, change: Change, *, sequence: int, next_attempt_at: datetime | None) -> None:
        """Tell a stored change, whose first fact has the number `sequence`."""
        for place, fact in enumerate(change.facts):
            self.fact(change.job, fact, sequence=sequence + place, next_attempt_at=next_attempt_at)
        for signal in change.signals:
            self._signal(change.job, signal)
        if change.returned:
            at = change.facts[-1].at
            self.returns.append(
                gate_pb2.ReturnedIntent(
                    organization_id=change.job.organization_id,
                    intent_id=str(change.job.intent_id),
                    decision_number=change.job.decision_number,
                    sequence=sequence + len(change.facts),
                    reason=change.returned,
                    returned_at=stamp(at),
                )
            )

    def started(self, job: Job, *, taken_at: datetime, sequence: int) -> None:
        """Tell that a send started."""
        event = _event(job, FactType.SEND_STARTED, at=taken_at, sequence=sequence)
        event.actor = EXECUTOR
        _fill_job(event.attempt, job)
        event.attempt.number = job.attempt
        event.attempt.taken_at.CopyFrom(event.occurred_at)
        event.attempt.control_version = job.control_version
        event.attempt.platform_version = job.platform_version
        self.events.append(event.SerializeToString())

    def fact(self, job: Job, fact: Fact, *, sequence: int, next_attempt_at: datetime | None = None) -> None:
        """Tell one fact about a job."""
        event = _event(job, fact.type, at=fact.at, sequence=sequence)
        event.actor = fact.actor
        event.reason = fact.reason
        _fill_detail(event, job, fact, next_attempt_at)
        self.events.append(event.SerializeToString())

    def backlog(self, organization_id: str, *, waiting: int, oldest: datetime | None, at: datetime) -> None:
        """Tell how much waits for an organization."""
        event = event_pb2.OperationalEvent(
            event_id=str(uuid7()),
            organization_id=organization_id,
            aggregate_type=_ORGANIZATION,
            aggregate_id=organization_id,
            type=event_pb2.EventType.EVENT_TYPE_BACKLOG_MEASURED,
            occurred_at=stamp(at),
            producer=EXECUTOR,
            actor=EXECUTOR,
            backlog=event_pb2.BacklogDetail(waiting=waiting, oldest=stamp_if(oldest)),
        )
        self.events.append(event.SerializeToString())

    def signals(self) -> list[signal_pb2.Signal]:
        """Return the signals, equal ones of an instance and minute as one with a count."""
        counted = [
            signal_pb2.Signal(
                signal_id=str(uuid7()),
                organization_id=alike.organization_id,
                instance_id=alike.instance_id,
                kind=_KINDS[alike.kind],
                count=count,
                code=alike.code,
                occurred_at=stamp(self._latest[alike]),
            )
            for alike, count in self._counted.items()
        ]
        return [*counted, *self._signals]

    def _signal(self, job: Job, signal: Signal) -> None:
        if not signal.about_intent:
            minute = signal.at.replace(second=0, microsecond=0)
            alike = _Alike(job.organization_id, job.instance_id, signal.kind, signal.code, minute)
            self._counted[alike] += 1
            self._latest[alike] = max(signal.at, self._latest.get(alike, signal.at))
            return
        self._signals.append(
            signal_pb2.Signal(
                signal_id=str(uuid7()),
                organization_id=job.organization_id,
                instance_id=job.instance_id,
                kind=_KINDS[signal.kind],
                count=1,
                code=signal.code,
                intent_id=str(job.intent_id),
                occurred_at=stamp(signal.at),
            )
        )


@lru_cache(maxsize=4_096)
def stamp(moment: datetime) -> Timestamp:
    """Return `moment` for the wire, to be copied into a message: whoever asks again is given the same one."""
    return Timestamp(seconds=int(moment.timestamp()), nanos=moment.microsecond * 1000)


def stamp_if(moment: datetime | None) -> Timestamp | None:
    """Return `moment` for the wire, if there is one."""
    return None if moment is None else stamp(moment)


def strings(identifiers: Iterable[UUID]) -> list[str]:
    """Return identifiers for the wire."""
    return [str(identifier) for identifier in identifiers]


def fingerprint(provider_message_id: str) -> str:
    """Return what an event knows a provider's message by: it can be compared, and not be read."""
    return hashlib.sha256(provider_message_id.encode()).hexdigest()[:32] if provider_message_id else ""


def _event(job: Job, type_: FactType, *, at: datetime, sequence: int) -> event_pb2.OperationalEvent:
    """Return what all events about a job have. Filled in place, one costs half of what keywords make it cost."""
    event = event_pb2.OperationalEvent()
    event.event_id = str(uuid7())
    event.organization_id = job.organization_id
    event.aggregate_type = _INTENT
    event.aggregate_id = str(job.intent_id)
    event.sequence = sequence
    event.type = _TYPES[type_]
    event.occurred_at.CopyFrom(stamp(at))
    event.producer = EXECUTOR
    event.trace_id = job.traceparent[3:35]
    event.instance_id = job.instance_id
    event.campaign_id = job.campaign_id
    return event


def _fill_detail(event: event_pb2.OperationalEvent, job: Job, fact: Fact, next_attempt_at: datetime | None) -> None:
    match fact.detail:
        case Attempt() as attempt:
            _fill_job(event.attempt, job)
            _fill_attempt(event.attempt, attempt)
            if fact.type is FactType.RETRY_SCHEDULED and next_attempt_at is not None:
                event.attempt.next_attempt_at.CopyFrom(stamp(next_attempt_at))
        case Delivery() as delivery:
            event.delivery.CopyFrom(
                event_pb2.DeliveryDetail(
                    attempt_number=delivery.attempt_number,
                    provider_message_id=fingerprint(delivery.provider_message_id),
                    provider_code=delivery.provider_code,
                    resolution=delivery.resolution,
                    note=delivery.note,
                    provider_time=stamp_if(delivery.provider_time),
                )
            )
        case Hold() as hold:
            event.hold.CopyFrom(
                event_pb2.HoldDetail(
                    control_ids=strings(hold.control_ids),
                    pause_reason=hold.pause_reason,
                    paused_until=stamp_if(hold.paused_until),
                )
            )
        case Note() as note:
            event.note.CopyFrom(event_pb2.NoteDetail(note=note.note, decision_number=job.decision_number))
        case None:
            return
        case _:
            assert_never(fact.detail)


def _fill_job(detail: event_pb2.AttemptDetail, job: Job) -> None:
    detail.decision_number = job.decision_number
    detail.provider = job.provider
    detail.submitted_at.CopyFrom(stamp(job.submitted_at))
    detail.approved_at.CopyFrom(stamp(job.approved_at))


def _fill_attempt(detail: event_pb2.AttemptDetail, attempt: Attempt) -> None:
    detail.number = attempt.number
    detail.provider_code = attempt.provider_code
    detail.provider_message_id = fingerprint(attempt.provider_message_id)
    detail.control_version = attempt.control_version
    detail.platform_version = attempt.platform_version
    detail.taken_at.CopyFrom(stamp(attempt.taken_at))
    if attempt.began_at is not None:
        detail.began_at.CopyFrom(stamp(attempt.began_at))
    if attempt.ended_at is not None:
        detail.ended_at.CopyFrom(stamp(attempt.ended_at))
