"""What an intent went through, as stretches of time to be drawn. Knows nothing of how they are drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audit.domain.event import Attempt, Cooldown, Decision, Event, EventType, Hold
from audit.domain.pauses import known_pauses
from audit.domain.words import decided_again_because, named, refused_because, told, waits_for


class PhaseKind(StrEnum):
    """What a stretch of time was."""

    DECIDED = "DECIDED"
    QUEUED = "QUEUED"
    WAITING = "WAITING"
    HELD = "HELD"
    ATTEMPT = "ATTEMPT"
    PROVIDER = "PROVIDER"
    DELIVERY = "DELIVERY"
    READING = "READING"
    PAUSE = "PAUSE"
    COOLDOWN = "COOLDOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of time; `end` is none while it lasts."""

    kind: PhaseKind
    start: datetime
    end: datetime | None
    label: str


class _Course:
    """What is under way while the events are gone through in order."""

    def __init__(self) -> None:
        self.done: list[Phase] = []
        self._open: tuple[PhaseKind, datetime, str] | None = None
        self._sent: datetime | None = None
        self._delivered = False

    def take(self, event: Event) -> None:
        """Go on by one event."""
        at = event.occurred_at
        if event.type in (EventType.MESSAGE_DELIVERED, EventType.MESSAGE_READ):
            self._arrived(event)
            return
        begun = self._close(at)
        match event.type, event.detail:
            case EventType.MESSAGE_QUEUED, Decision() as decision:
                self._open = (PhaseKind.QUEUED, at, _awaited(event, decision))
            case ((EventType.MESSAGE_RETURNED | EventType.MESSAGE_RETRY_REQUESTED), _):
                self._open = (PhaseKind.QUEUED, at, f"to be decided again: {decided_again_because(event.reason)}")
            case EventType.MESSAGE_APPROVED, _:
                self._open = (PhaseKind.WAITING, at, f"to be sent by {named(event.instance_id)}")
            case EventType.MESSAGE_HELD, Hold() as hold:
                note = f" “{hold.pause_reason}”" if hold.pause_reason else ""
                self._open = (PhaseKind.HELD, at, f"by a pause{note}" if hold.control_ids else event.reason)
            case EventType.MESSAGE_SEND_STARTED, Attempt() as attempt:
                began = attempt.taken_at or at
                self._open = (PhaseKind.ATTEMPT, min(began, at), f"{attempt.number} by {named(event.instance_id)}")
            case _, Attempt() as attempt:
                self._tried(event, attempt, begun)
            case _:
                pass

    def finish(self) -> list[Phase]:
        """Return all phases, the one that still lasts included."""
        if self._open is not None:
            kind, start, label = self._open
            self.done.append(Phase(kind=kind, start=start, end=None, label=label))
        return self.done

    def forget(self) -> None:
        """Leave what is under way without an end that is known: events are left out after it."""
        self._open = self._sent = None

    def _close(self, at: datetime) -> PhaseKind | None:
        if self._open is None:
            return None
        kind, start, label = self._open
        self.done.append(Phase(kind=kind, start=start, end=max(start, at), label=label))
        self._open = None
        return kind

    def _tried(self, event: Event, attempt: Attempt, begun: PhaseKind | None) -> None:
        if attempt.began_at is not None and attempt.ended_at is not None:
            start, end = attempt.began_at, max(attempt.began_at, attempt.ended_at)
            if begun is not PhaseKind.ATTEMPT:  # its beginning has not arrived: at least this much is known
                label = f"{attempt.number} by {named(event.instance_id)}"
                self.done.append(Phase(kind=PhaseKind.ATTEMPT, start=start, end=end, label=label))
            label = attempt.provider if event.type is EventType.MESSAGE_SENT else _failure(event, attempt)
            self.done.append(Phase(kind=PhaseKind.PROVIDER, start=start, end=end, label=label))
        match event.type:
            case EventType.MESSAGE_SENT:
                self._sent, self._delivered = event.occurred_at, False
            case EventType.MESSAGE_RETRY_SCHEDULED:
                self._open = (PhaseKind.WAITING, event.occurred_at, f"for attempt {attempt.number + 1}")
            case EventType.MESSAGE_SEND_ABORTED:
                self._open = (PhaseKind.WAITING, event.occurred_at, f"to be sent by {named(event.instance_id)}")
            case _:
                pass

    def _arrived(self, event: Event) -> None:
        if self._sent is None or (self._delivered and event.type is EventType.MESSAGE_DELIVERED):
            return
        kind = PhaseKind.READING if self._delivered else PhaseKind.DELIVERY
        label = "to the device" if kind is PhaseKind.DELIVERY else "until it was read"
        end = max(self._sent, event.occurred_at)
        self.done.append(Phase(kind=kind, start=self._sent, end=end, label=label))
        self._sent, self._delivered = (end, True) if event.type is EventType.MESSAGE_DELIVERED else (None, True)


def phases(own: Sequence[Event], around: Sequence[Event], *, broken_at: int = 0) -> tuple[Phase, ...]:
    """Return what an intent went through in order of beginning, then what was around it.

    `own` is in order; `broken_at` is the number of the first event after those that were left out, or 0.
    """
    course = _Course()
    if own and isinstance(first := own[0].detail, Decision) and first.submitted_at and own[0].sequence == 1:
        start, end = min(first.submitted_at, own[0].occurred_at), own[0].occurred_at
        course.done.append(Phase(kind=PhaseKind.DECIDED, start=start, end=end, label=_verdict(own[0])))
    broken = broken_at
    for event in own:
        if broken and event.sequence >= broken:
            course.forget()
            broken = 0
        course.take(event)
    in_order = sorted(course.finish(), key=lambda phase: phase.start)
    return (*in_order, *_pauses(around), *_cooldowns(around))


def _pauses(around: Sequence[Event]) -> Iterable[Phase]:
    for pause in known_pauses(around):
        yield Phase(kind=PhaseKind.PAUSE, start=pause.began_at, end=pause.ended_at, label=pause.phrase)


def _cooldowns(around: Sequence[Event]) -> Iterable[Phase]:
    known: dict[tuple[str, datetime], tuple[datetime | None, str]] = {}
    for event in sorted(around, key=lambda event: event.occurred_at):
        if isinstance(detail := event.detail, Cooldown):
            key = (event.instance_id or event.aggregate_id, detail.start_time or event.occurred_at)
            end = detail.end_time if event.type is EventType.INSTANCE_COOLDOWN_STARTED else event.occurred_at
            known[key] = (end, known.get(key, (end, event.reason))[1])
    for (instance, start), (until, reason) in sorted(known.items(), key=lambda one: one[0][1]):
        why = f": {reason}" if reason else ""
        finish = max(start, until) if until is not None else None
        yield Phase(kind=PhaseKind.COOLDOWN, start=start, end=finish, label=f"the cooldown of {instance}{why}")


def _verdict(event: Event) -> str:
    match event.type:
        case EventType.MESSAGE_APPROVED:
            return "approved"
        case EventType.MESSAGE_BLOCKED:
            return f"blocked: {refused_because(event.reason)}"
        case _:
            return "queued"


def _awaited(event: Event, decision: Decision) -> str:
    return "for " + waits_for(event.reason, instance_id=event.instance_id, limiter=decision.binding_limiter)


def _failure(event: Event, attempt: Attempt) -> str:
    return f"{attempt.provider}: {told(event.reason, attempt.provider_code)}"
