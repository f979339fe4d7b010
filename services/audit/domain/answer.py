"""The answer to "was it sent?" in one line, from an intent's own events. Knows nothing of lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audit.domain.event import Attempt, Decision, Delivery, Event, EventType, Hold, Note
from audit.domain.pauses import KnownPause
from audit.domain.words import (
    because,
    decided_again_because,
    moment,
    named,
    refused_because,
    told,
    until,
    waits_for,
)


class Standing(StrEnum):
    """Where an intent stands."""

    SENT = "SENT"
    NOT_SENT = "NOT_SENT"
    WAITING = "WAITING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where an intent stands, in one word and in one line."""

    standing: Standing
    text: str


@dataclass(slots=True, kw_only=True)
class _Course:
    """What the events came to so far: the newest that counts, and what is known of the message that left."""

    newest: Event
    sent: Event | None = None
    delivered: Event | None = None
    read: Event | None = None

    def take(self, event: Event) -> None:
        match event.type:
            case EventType.MESSAGE_DELIVERED:
                self.delivered = event
            case EventType.MESSAGE_READ:
                self.read = event
            case EventType.MESSAGE_SENT:
                self.sent = event
            case EventType.MESSAGE_FAILED if self.delivered or self.read:
                return
            case EventType.MESSAGE_SEND_STARTED | EventType.MESSAGE_APPROVED:
                self.sent = self.delivered = self.read = None
            case _:
                pass
        self.newest = event


def settled_at(own: Sequence[Event]) -> datetime | None:
    """Return when the intent's course came to rest, or none while something is still to happen to it."""
    course = _follow(own)
    match course.newest.type:
        case (
            EventType.MESSAGE_SENT
            | EventType.MESSAGE_DELIVERED
            | EventType.MESSAGE_READ
            | EventType.MESSAGE_BLOCKED
            | EventType.MESSAGE_FAILED
            | EventType.MESSAGE_CANCELED
            | EventType.MESSAGE_EXPIRED
            | EventType.MESSAGE_OUTCOME_UNKNOWN
        ):
            return (course.sent or course.newest).occurred_at
        case EventType.MESSAGE_OUTCOME_RESOLVED:
            resend = isinstance(course.newest.detail, Delivery) and course.newest.detail.resolution == "RESEND"
            return None if resend else course.newest.occurred_at
        case _:
            return None


def answer(own: Sequence[Event], pauses: Sequence[KnownPause], *, pending: int, now: datetime) -> Answer:
    """Say where an intent stands. `own` is in order and not empty, `pending` counts what is on its way."""
    course = _follow(own)
    standing, text = _judge(course, pauses, now)
    if pending:
        noun = "event is" if pending == 1 else "events are"
        text = f"{text} ({pending} earlier {noun} still on the way)"
    return Answer(standing=standing, text=text)


def _follow(own: Sequence[Event]) -> _Course:
    course = _Course(newest=own[0])
    for event in own:
        course.take(event)
    return course


def _judge(course: _Course, pauses: Sequence[KnownPause], now: datetime) -> tuple[Standing, str]:
    event = course.newest
    by = named(event.instance_id)
    match event.type, event.detail:
        case ((EventType.MESSAGE_SENT | EventType.MESSAGE_DELIVERED | EventType.MESSAGE_READ), _):
            return Standing.SENT, _sent(course)
        case EventType.MESSAGE_BLOCKED, _:
            return Standing.NOT_SENT, f"Not sent: {_blocked(event, pauses)}"
        case EventType.MESSAGE_CANCELED, detail:
            note = detail.note if isinstance(detail, Note) else ""
            return (
                Standing.NOT_SENT,
                f"Not sent: canceled at {moment(event.occurred_at)} {because(note, event.actor)}",
            )
        case EventType.MESSAGE_EXPIRED, _:
            return (
                Standing.NOT_SENT,
                f"Not sent: its expire time passed at {moment(event.occurred_at)} while it waited",
            )
        case EventType.MESSAGE_FAILED, detail:
            return Standing.NOT_SENT, _failed(course, detail)
        case EventType.MESSAGE_OUTCOME_UNKNOWN, detail:
            code = detail.provider_code if isinstance(detail, Attempt) else ""
            why = told(event.reason, code)
            line = f"Unknown: {by} got no definite answer at {moment(event.occurred_at)} ({why})"
            return Standing.UNKNOWN, f"{line}; it is not repeated by itself"
        case EventType.MESSAGE_OUTCOME_RESOLVED, detail:
            return _resolved(event, detail)
        case EventType.MESSAGE_SEND_STARTED, _:
            return Standing.UNKNOWN, f"Being sent by {by} since {moment(event.occurred_at)}: no answer yet"
        case _:
            return Standing.WAITING, _waiting(event, pauses, now)


def _sent(course: _Course) -> str:
    first = course.sent or course.delivered or course.read or course.newest
    line = f"Sent at {moment(first.occurred_at)} by {named(first.instance_id)}"
    if course.sent is None:
        line = f"Sent by {named(first.instance_id)}"
    if course.delivered:
        line += f", delivered at {moment(course.delivered.occurred_at)}"
    if course.read:
        line += f", read at {moment(course.read.occurred_at)}"
    return line


def _blocked(event: Event, pauses: Sequence[KnownPause]) -> str:
    held = [pause for pause in pauses if pause.held_at(event.occurred_at)]
    if event.reason == "OPS_PAUSED" and held:
        return f"{_all(held)} held when it was submitted ({event.reason})"
    return refused_because(event.reason)


def _failed(course: _Course, detail: object) -> str:
    event = course.newest
    code = detail.provider_code if isinstance(detail, Attempt | Delivery) else ""
    why = told(event.reason, code)
    if course.sent is not None or isinstance(detail, Delivery):
        sent = f"sent at {moment(course.sent.occurred_at)} by" if course.sent else "sent by"
        return f"Not delivered: {sent} {named(event.instance_id)}, failed at {moment(event.occurred_at)}: {why}"
    tries = f" after {detail.number} attempts" if isinstance(detail, Attempt) and detail.number > 1 else ""
    return f"Not sent: failed at {named(event.instance_id)}{tries}: {why}"


def _resolved(event: Event, detail: object) -> tuple[Standing, str]:
    resolution = detail.resolution if isinstance(detail, Delivery) else ""
    settled = f"settled at {moment(event.occurred_at)} {because(_note(detail), event.actor)}".rstrip()
    match resolution:
        case "SENT":
            return Standing.SENT, f"Sent by {named(event.instance_id)}: its unknown outcome was {settled}"
        case "NOT_SENT":
            return Standing.NOT_SENT, f"Not sent: its unknown outcome was {settled}"
        case "RESEND":
            return Standing.WAITING, f"Waiting for the gate to decide again: to be sent again, {settled}"
        case _:
            return Standing.UNKNOWN, f"Unknown: its outcome was {settled}, without saying as what"


def _note(detail: object) -> str:
    return detail.note if isinstance(detail, Delivery | Note) else ""


def _waiting(event: Event, pauses: Sequence[KnownPause], now: datetime) -> str:
    holding = [pause for pause in pauses if pause.held_at(now)]
    if holding:
        ends = [pause.paused_until for pause in holding]
        last = None if None in ends else max(end for end in ends if end is not None)
        return f"Waiting for {_all(holding)}{until(last, 'until it is lifted')}"
    slowed = [f"{pause.phrase} was lifted and {slowly.phrase}" for pause in pauses if (slowly := pause.slowed_at(now))]
    return "; ".join([_next_step(event, pauses, now), *slowed])


def _next_step(event: Event, pauses: Sequence[KnownPause], now: datetime) -> str:
    match event.type, event.detail:
        case EventType.MESSAGE_QUEUED, Decision() as decision:
            awaited = waits_for(event.reason, instance_id=event.instance_id, limiter=decision.binding_limiter)
            return f"Waiting for {awaited}{until(decision.earliest_time)}"
        case EventType.MESSAGE_HELD, Hold() as hold if hold.control_ids:
            lifted = [pause for pause in pauses if pause.control_id in hold.control_ids and pause.ended_at]
            if len(lifted) == len(set(hold.control_ids)):
                over = [pause for pause in lifted if not pause.slowed_at(now)]
                told_of = f": {_all(over)} has ended" if over else ""
                return f"Waiting to be sent by {named(event.instance_id)}{told_of}"
            note = f" (“{hold.pause_reason}”)" if hold.pause_reason else ""
            return f"Waiting for a pause{note}{until(hold.paused_until, 'until it is lifted')}"
        case EventType.MESSAGE_HELD, _:
            return f"Waiting for {waits_for(event.reason, instance_id=event.instance_id, limiter='')}"
        case EventType.MESSAGE_RETRY_SCHEDULED, Attempt() as attempt:
            why = told(event.reason, attempt.provider_code)
            return f"Waiting for attempt {attempt.number + 1}{until(attempt.next_attempt_at)}: {why}"
        case EventType.MESSAGE_SEND_ABORTED, _:
            return f"Waiting to be sent by {named(event.instance_id)}: the last check stopped it, nothing left"
        case EventType.MESSAGE_RETURNED, _:
            return f"Waiting for the gate to decide again: {decided_again_because(event.reason)}"
        case EventType.MESSAGE_RETRY_REQUESTED, detail:
            asked = because(_note(detail), event.actor)
            return f"Waiting for the gate to decide again: another try was asked for {asked}".rstrip()
        case _, Decision(approved_until=approved_until):
            held = f", approved{until(approved_until)}" if approved_until else ""
            return f"Waiting to be sent by {named(event.instance_id)}{held}"
        case _:
            return "Waiting for its next step"


def _all(pauses: Sequence[KnownPause]) -> str:
    return " and ".join(pause.phrase for pause in pauses)
