"""One line for people about one event: what, by whom, why. Knows nothing of the events around it."""

from typing import assert_never

from audit.domain.event import (
    Attempt,
    Backlog,
    Cooldown,
    Decision,
    Delivery,
    Event,
    EventType,
    Hold,
    Note,
    Pause,
    Subject,
)
from audit.domain.pauses import kind, slowly_after
from audit.domain.words import (
    because,
    covered,
    decided_again_because,
    duration,
    moment,
    named,
    number,
    refused_because,
    told,
    until,
    waits_for,
)


def summarise(event: Event) -> str:
    """Say in one line what happened, who decided and why."""
    match event.detail:
        case Decision() as decision:
            return _decided(event, decision)
        case Attempt() as attempt:
            return _attempted(event, attempt)
        case Hold() as hold:
            return _held(event, hold)
        case Delivery() as delivery:
            return _delivered(event, delivery)
        case Pause() as pause:
            return _paused(event, pause)
        case Cooldown() as cooldown:
            return _cooled(event, cooldown)
        case Backlog() as backlog:
            age = f", the oldest since {moment(backlog.oldest)}" if backlog.oldest else ""
            return f"{backlog.waiting} waiting in {event.producer}{age}"
        case Subject() as subject:
            return _requested(event, subject)
        case Note() as note:
            return _noted(event, note)
        case _:
            assert_never(event.detail)


def _decided(event: Event, decision: Decision) -> str:
    grounds = [f"decision {decision.number}, policy version {decision.policy_version}"]
    if decision.rule:
        grounds.insert(0, f"rule {decision.rule}")
    if event.actor not in ("", "system"):
        grounds.append(f"submitted by {event.actor}")
    if decision.binding_limiter and decision.binding_limiter != decision.tightest_limit:
        share = f" {number(decision.binding_used)} of {number(decision.binding_max)}" if decision.binding_max else ""
        grounds.append(f"bound by {decision.binding_limiter}{share}")
    if decision.tightest_limit:
        used, limit = number(decision.tightest_used), number(decision.tightest_max)
        grounds.append(f"{decision.tightest_limit} {used} of {limit}")
    why = "; ".join(grounds)
    match event.type:
        case EventType.MESSAGE_APPROVED:
            at = f", not before {moment(decision.earliest_time)}" if decision.earliest_time else ""
            return f"Approved by the gate for {named(event.instance_id)}{at}: {why}"
        case EventType.MESSAGE_QUEUED:
            awaited = waits_for(event.reason, instance_id=event.instance_id, limiter=decision.binding_limiter)
            return f"Queued by the gate, waiting for {awaited}{until(decision.earliest_time)}: {why}"
        case EventType.MESSAGE_BLOCKED:
            return f"Blocked by the gate, {refused_because(event.reason)}: {why}"
        case _:
            return f"{_plain(event)}: {why}"


def _attempted(event: Event, attempt: Attempt) -> str:
    by = f"{named(event.instance_id)} through {attempt.provider}" if attempt.provider else named(event.instance_id)
    which = f"attempt {attempt.number}"
    why = told(event.reason, attempt.provider_code)
    match event.type:
        case EventType.MESSAGE_SEND_STARTED:
            return f"Send started by {by}, {which}"
        case EventType.MESSAGE_SENT:
            took = ""
            if attempt.began_at and attempt.ended_at:
                took = f", answered in {duration(attempt.ended_at - attempt.began_at)}"
            known_as = f", as {attempt.provider_message_id}" if attempt.provider_message_id else ""
            return f"Sent by {by}, {which}{took}{known_as}"
        case EventType.MESSAGE_FAILED:
            return f"Failed for good at {by}, {which}: {why}"
        case EventType.MESSAGE_RETRY_SCHEDULED:
            again = f", again at {moment(attempt.next_attempt_at)}" if attempt.next_attempt_at else ""
            return f"Not sent by {by}, {which}: {why}{again}"
        case EventType.MESSAGE_SEND_ABORTED:
            return f"Stopped at the last check before {by}, {which}, nothing left: {why}"
        case EventType.MESSAGE_OUTCOME_UNKNOWN:
            return f"No definite answer from {by}, {which}: {why}"
        case _:
            return f"{_plain(event)}, {which}: {why}"


def _held(event: Event, hold: Hold) -> str:
    note = f" “{hold.pause_reason}”" if hold.pause_reason else ""
    met = f"a pause{note} ({event.reason})" if hold.control_ids else event.reason or "a pause"
    return f"Held by the executor: it was due and met {met}{until(hold.paused_until)}"


def _delivered(event: Event, delivery: Delivery) -> str:
    match event.type:
        case EventType.MESSAGE_DELIVERED:
            return f"Delivered to the device, attempt {delivery.attempt_number}"
        case EventType.MESSAGE_READ:
            return f"Read, attempt {delivery.attempt_number}"
        case EventType.MESSAGE_FAILED:
            why = told(event.reason, delivery.provider_code)
            return f"Failed after it was sent, attempt {delivery.attempt_number}: {why}"
        case EventType.MESSAGE_OUTCOME_RESOLVED:
            grounds = because(delivery.note, event.actor)
            return f"Unknown outcome settled as {delivery.resolution or 'unspecified'} {grounds}".rstrip()
        case _:
            return _plain(event)


def _paused(event: Event, pause: Pause) -> str:
    what, why = covered(pause.scope, pause.target), because(pause.note, event.actor)
    named_pause = f"{kind(pause.source).capitalize()} of {what}"
    slowly = slowly_after(pause.plan, event.occurred_at)
    after = f": {slowly.phrase}" if slowly else ": at full pace at once" if pause.plan else ""
    match event.type:
        case EventType.EXECUTION_PAUSED:
            return f"{named_pause} committed{until(pause.paused_until)} {why}".rstrip()
        case EventType.EXECUTION_FENCED:
            return f"{named_pause} fenced: from here no send in it begins"
        case EventType.EXECUTION_RESUMED:
            return f"{named_pause} lifted {why}".rstrip() + after
        case EventType.EXECUTION_PAUSE_EXPIRED:
            return f"{named_pause} ended by itself"
        case EventType.EXECUTION_CANARY_PASSED:
            return f"Canary of {what} went well{after}"
        case EventType.EXECUTION_CANARY_FAILED:
            return f"Canary of {what} failed: it is paused again {why}".rstrip()
        case _:
            return f"{_plain(event)}: {what}"


def _cooled(event: Event, cooldown: Cooldown) -> str:
    instance = event.instance_id or event.aggregate_id
    if event.type is EventType.INSTANCE_COOLDOWN_STARTED:
        share = f", {cooldown.failures} of {cooldown.sends} sends failed" if cooldown.sends else ""
        cause = f"{event.reason or 'no reason was given'}{share}"
        level = f"{until(cooldown.end_time)}, level {cooldown.level}"
        return f"Cooldown of {named(instance)} started{level}: {cause}"
    return f"Cooldown of {named(instance)} ended {because(event.reason, event.actor)}".rstrip()


def _requested(event: Event, subject: Subject) -> str:
    grounds = because(subject.note, event.actor)
    if event.type is EventType.SUBJECT_ERASED:
        canceled = f", {subject.canceled} of them canceled" if subject.canceled else ""
        return f"A recipient was erased, {subject.intents} intents forgotten{canceled} {grounds}".rstrip()
    return f"What is held about a recipient was exported, {subject.intents} intents {grounds}".rstrip()


def _noted(event: Event, note: Note) -> str:
    grounds = because(note.note, event.actor)
    match event.type:
        case EventType.MESSAGE_RETURNED:
            return f"Returned to the gate to be decided again: {decided_again_because(event.reason)}"
        case EventType.MESSAGE_CANCELED:
            return f"Canceled before it began {grounds}".rstrip()
        case EventType.MESSAGE_EXPIRED:
            return "Expired: its expire time passed before it could be sent"
        case EventType.MESSAGE_RETRY_REQUESTED:
            return f"Another try was asked for {grounds}".rstrip()
        case EventType.MESSAGE_ERASED:
            return f"Its number and content were erased, as the person asked {grounds}".rstrip()
        case _:
            why = f": {event.reason}" if event.reason else ""
            return f"{_plain(event)}{why}"


def _plain(event: Event) -> str:
    return event.type.value.replace("_", " ").capitalize()
