"""What changes tell others, serialised as the requests that carry it: events, signals, returns. Knows no table."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from executor.domain.change import Change, Fact, Signal
from executor.domain.job import Attempt, Job
from executor.domain.words import EXECUTOR, FactType, SignalKind
from executor.infrastructure.events import event_of, fill_answer, fill_detail, fill_taken, stamp, stamp_if
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import gate_pb2, signal_pb2

_KINDS = {kind: signal_pb2.SignalKind.Value(f"SIGNAL_KIND_{kind.value}") for kind in SignalKind}
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
    _alike: dict[tuple[object, ...], event_pb2.OperationalEvent] = field(default_factory=dict)

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
        began = (job.attempt, taken_at, "", job.control_version, job.platform_version)
        self._tell(self._of_attempt(job, FactType.SEND_STARTED, EXECUTOR, "", began), job, taken_at, sequence)

    def fact(self, job: Job, fact: Fact, *, sequence: int, next_attempt_at: datetime | None = None) -> None:
        """Tell one fact about a job."""
        match fact.detail:
            case Attempt() as attempt:
                taken = (
                    attempt.number,
                    attempt.taken_at,
                    attempt.provider_code,
                    attempt.control_version,
                    attempt.platform_version,
                )
                event = self._of_attempt(job, fact.type, fact.actor, fact.reason, taken)
                fill_answer(event.attempt, attempt, next_attempt_at if fact.type is FactType.RETRY_SCHEDULED else None)
            case detail:
                event = event_of(job, fact.type, fact.actor, fact.reason)
                fill_detail(event, job, detail)
        self._tell(event, job, fact.at, sequence)

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

    def _of_attempt(
        self, job: Job, type_: FactType, actor: str, reason: str, taken: tuple[int, datetime, str, int, int]
    ) -> event_pb2.OperationalEvent:
        """Return an attempt's event as far as it is like others: one is built for these, and filled in for each."""
        alike = (
            type_,
            actor,
            reason,
            taken,
            job.organization_id,
            job.instance_id,
            job.campaign_id,
            job.decision_number,
            job.provider,
            job.submitted_at,
            job.approved_at,
        )
        event = self._alike.get(alike)
        if event is None:
            event = self._alike[alike] = event_of(job, type_, actor, reason)
            fill_taken(event.attempt, job, *taken)
        return event

    def _tell(self, event: event_pb2.OperationalEvent, job: Job, at: datetime, sequence: int) -> None:
        """Fill in what is of this job alone."""
        event.event_id = str(uuid7())
        event.aggregate_id = str(job.intent_id)
        event.sequence = sequence
        event.occurred_at.CopyFrom(stamp(at))
        event.trace_id = job.traceparent[3:35]
        self.events.append(event.SerializeToString())

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
