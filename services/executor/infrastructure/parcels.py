"""What changes tell others, serialised as the requests that carry it: events, signals, returns. Knows no table.

WhatsApp's ids of messages hold the recipient's number in Base64: events carry a fingerprint in their place.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, assert_never
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
            **_detail(job, fact, next_attempt_at),
        )
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


def _detail(job: Job, fact: Fact, next_attempt_at: datetime | None) -> dict[str, Any]:
    match fact.detail:
        case Attempt() as attempt:
            scheduled = fact.type is FactType.RETRY_SCHEDULED
            return {
                "attempt": event_pb2.AttemptDetail(
                    number=attempt.number,
                    decision_number=job.decision_number,
                    provider=job.provider,
                    provider_code=attempt.provider_code,
                    provider_message_id=fingerprint(attempt.provider_message_id),
                    control_version=attempt.control_version,
                    platform_version=attempt.platform_version,
                    taken_at=stamp(attempt.taken_at),
                    submitted_at=stamp(job.submitted_at),
                    approved_at=stamp(job.approved_at),
                    began_at=stamp_if(attempt.began_at),
                    ended_at=stamp_if(attempt.ended_at),
                    next_attempt_at=stamp_if(next_attempt_at) if scheduled else None,
                )
            }
        case Delivery() as delivery:
            return {
                "delivery": event_pb2.DeliveryDetail(
                    attempt_number=delivery.attempt_number,
                    provider_message_id=fingerprint(delivery.provider_message_id),
                    provider_code=delivery.provider_code,
                    resolution=delivery.resolution,
                    note=delivery.note,
                    provider_time=stamp_if(delivery.provider_time),
                )
            }
        case Hold() as hold:
            return {
                "hold": event_pb2.HoldDetail(
                    control_ids=strings(hold.control_ids),
                    pause_reason=hold.pause_reason,
                    paused_until=stamp_if(hold.paused_until),
                )
            }
        case Note() as note:
            return {"note": event_pb2.NoteDetail(note=note.note, decision_number=job.decision_number)}
        case None:
            return {}
        case _:
            assert_never(fact.detail)
