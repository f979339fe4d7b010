"""What changes tell others, serialised as the requests that carry it: events, signals, returns. Knows no table.

WhatsApp's ids of messages hold the recipient's number in Base64: events carry a fingerprint in their place.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never
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


@dataclass(slots=True)
class Telling:
    """What one transaction tells audit and the gate."""

    events: list[bytes] = field(default_factory=list)
    returns: list[gate_pb2.ReturnedIntent] = field(default_factory=list)
    _signals: list[signal_pb2.Signal] = field(default_factory=list)
    _counted: dict[tuple[str, str, Signal], int] = field(default_factory=lambda: defaultdict(int))
    _latest: dict[tuple[str, str, Signal], datetime] = field(default_factory=dict)

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

    def fact(self, job: Job, fact: Fact, *, sequence: int, next_attempt_at: datetime | None = None) -> None:
        """Tell one fact about a job."""
        event = event_pb2.OperationalEvent(
            event_id=str(uuid7()),
            organization_id=job.organization_id,
            aggregate_type=_INTENT,
            aggregate_id=str(job.intent_id),
            sequence=sequence,
            type=_TYPES[fact.type],
            occurred_at=stamp(fact.at),
            producer=EXECUTOR,
            trace_id=job.traceparent[3:35],
            actor=fact.actor,
            instance_id=job.instance_id,
            campaign_id=job.campaign_id,
            reason=fact.reason,
        )
        _detail(event, job, fact, next_attempt_at)
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
            backlog=event_pb2.BacklogDetail(waiting=waiting, oldest=stamp(oldest) if oldest is not None else None),
        )
        self.events.append(event.SerializeToString())

    def signals(self) -> list[signal_pb2.Signal]:
        """Return the signals, equal ones of an instance and minute as one with a count."""
        counted = [
            signal_pb2.Signal(
                signal_id=str(uuid7()),
                organization_id=organization_id,
                instance_id=instance_id,
                kind=_KINDS[signal.kind],
                count=count,
                code=signal.code,
                occurred_at=stamp(self._latest[organization_id, instance_id, signal]),
            )
            for (organization_id, instance_id, signal), count in self._counted.items()
        ]
        return [*counted, *self._signals]

    def _signal(self, job: Job, signal: Signal) -> None:
        if not signal.about_intent:
            minute = Signal(kind=signal.kind, at=signal.at.replace(second=0, microsecond=0), code=signal.code)
            key = (job.organization_id, job.instance_id, minute)
            self._counted[key] += 1
            self._latest[key] = max(signal.at, self._latest.get(key, signal.at))
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


def stamp(moment: datetime) -> Timestamp:
    """Return `moment` for the wire."""
    return Timestamp(seconds=int(moment.timestamp()), nanos=moment.microsecond * 1000)


def strings(identifiers: Iterable[UUID]) -> list[str]:
    """Return identifiers for the wire."""
    return [str(identifier) for identifier in identifiers]


def fingerprint(provider_message_id: str) -> str:
    """Return what an event knows a provider's message by: it can be compared, and not be read."""
    return hashlib.sha256(provider_message_id.encode()).hexdigest()[:32] if provider_message_id else ""


def _detail(event: event_pb2.OperationalEvent, job: Job, fact: Fact, next_attempt_at: datetime | None) -> None:
    match fact.detail:
        case Attempt() as attempt:
            detail = event.attempt
            detail.number = attempt.number
            detail.decision_number = job.decision_number
            detail.provider = job.provider
            detail.provider_code = attempt.provider_code
            detail.provider_message_id = fingerprint(attempt.provider_message_id)
            detail.control_version = attempt.control_version
            detail.platform_version = attempt.platform_version
            detail.taken_at.CopyFrom(stamp(attempt.taken_at))
            detail.submitted_at.CopyFrom(stamp(job.submitted_at))
            detail.approved_at.CopyFrom(stamp(job.approved_at))
            if attempt.began_at is not None:
                detail.began_at.CopyFrom(stamp(attempt.began_at))
            if attempt.ended_at is not None:
                detail.ended_at.CopyFrom(stamp(attempt.ended_at))
            if next_attempt_at is not None and fact.type is FactType.RETRY_SCHEDULED:
                detail.next_attempt_at.CopyFrom(stamp(next_attempt_at))
        case Delivery() as delivery:
            event.delivery.attempt_number = delivery.attempt_number
            event.delivery.provider_message_id = fingerprint(delivery.provider_message_id)
            event.delivery.provider_code = delivery.provider_code
            event.delivery.resolution = delivery.resolution
            event.delivery.note = delivery.note
            if delivery.provider_time is not None:
                event.delivery.provider_time.CopyFrom(stamp(delivery.provider_time))
        case Hold() as hold:
            event.hold.control_ids.extend(strings(hold.control_ids))
            event.hold.pause_reason = hold.pause_reason
            if hold.paused_until is not None:
                event.hold.paused_until.CopyFrom(stamp(hold.paused_until))
        case Note() as note:
            event.note.note = note.note
            event.note.decision_number = job.decision_number
        case None:
            return
        case _:
            assert_never(fact.detail)
