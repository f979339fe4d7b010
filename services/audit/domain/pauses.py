"""Pauses as far as their events tell, whatever order these came in: who, why, until when, and how it goes on after."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.domain.event import Event, EventType, Pause
from audit.domain.words import because, covered, moment

_KINDS = {
    "MANUAL": "manual pause",
    "AUTO": "automatic pause",
    "PROVIDER": "provider's pause",
    "PLATFORM": "platform's pause",
}
_RAMP = re.compile(r"RAMP .* in ([0-9]{1,6}(?:\.[0-9]{1,6})?) s")
_LIFTED = (EventType.EXECUTION_RESUMED, EventType.EXECUTION_CANARY_PASSED)
_ENDED = (*_LIFTED, EventType.EXECUTION_PAUSE_EXPIRED, EventType.EXECUTION_CANARY_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowly:
    """How sending goes on after a resume, until the full pace; `until` is none while a canary runs."""

    plan: str
    since: datetime
    until: datetime | None

    @property
    def phrase(self) -> str:
        """Say how it goes on, and until when."""
        if self.until is None:
            return f"a few are tried first ({self.plan})"
        return f"the pace grows until {moment(self.until)} ({self.plan})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPause:
    """A pause as far as its events tell. `ended_at` is none while it holds."""

    control_id: str
    scope: str
    target: str
    source: str = ""
    note: str
    actor: str
    paused_until: datetime | None
    began_at: datetime
    fenced_at: datetime | None = None
    ended_at: datetime | None
    slowly: Slowly | None = None

    @property
    def phrase(self) -> str:
        """Name the pause, why it was made and by whom."""
        what = f"the {kind(self.source)} of {covered(self.scope, self.target)}"
        return f"{what} {because(self.note, self.actor)}".rstrip()

    def held_at(self, at: datetime) -> bool:
        """Tell whether it held at that time."""
        return self.began_at <= at and (self.ended_at is None or at < self.ended_at)

    def slowed_at(self, at: datetime) -> Slowly | None:
        """Return how sending went on slowly at that time, if it did."""
        if self.slowly is None or at < self.slowly.since:
            return None
        return self.slowly if self.slowly.until is None or at < self.slowly.until else None


def kind(source: str) -> str:
    """Name a pause by who is behind it."""
    return _KINDS.get(source, "pause")


def slowly_after(plan: str, at: datetime) -> Slowly | None:
    """Read from a plan's words how it goes on from `at`; none where it goes on at full pace."""
    ramp = _RAMP.fullmatch(plan)
    if ramp is not None:
        return Slowly(plan=plan, since=at, until=at + timedelta(seconds=float(ramp[1])))
    return Slowly(plan=plan, since=at, until=None) if plan.startswith("CANARY") else None


def over_at(event_type: EventType, plan: str, at: datetime) -> datetime | None:
    """Return when a pause and all that follows it is over, as far as one event of it tells."""
    if event_type not in _ENDED:
        return None
    slowly = slowly_after(plan, at)
    return slowly.until if slowly is not None else at


def known_pauses(events: Iterable[Event]) -> tuple[KnownPause, ...]:
    """Put each pause together from what arrived of its events, in any order; the oldest first."""
    by_id: dict[str, list[tuple[Event, Pause]]] = {}
    for event in events:
        if isinstance(event.detail, Pause):
            by_id.setdefault(event.aggregate_id, []).append((event, event.detail))
    known = (_put_together(parts) for parts in by_id.values())
    return tuple(sorted(known, key=lambda pause: (pause.began_at, pause.control_id)))


def _put_together(parts: list[tuple[Event, Pause]]) -> KnownPause:
    by_type = {event.type: (event, pause) for event, pause in parts}
    begun = by_type.get(EventType.EXECUTION_PAUSED)
    event, pause = begun or parts[0]
    return KnownPause(
        control_id=event.aggregate_id,
        scope=pause.scope,
        target=pause.target,
        source=pause.source,
        note=pause.note if begun else "",
        actor=event.actor if begun else "",
        paused_until=pause.paused_until,
        began_at=min(detail.paused_at or part.occurred_at for part, detail in parts),
        fenced_at=next((detail.fenced_at for _, detail in parts if detail.fenced_at is not None), None),
        ended_at=min((part.occurred_at for part, _ in parts if part.type in _ENDED), default=None),
        slowly=_slowly(by_type),
    )


def _slowly(by_type: dict[EventType, tuple[Event, Pause]]) -> Slowly | None:
    """Return what follows the newest step: a canary that passed before a resume, none once it failed."""
    if EventType.EXECUTION_CANARY_FAILED in by_type:
        return None
    newest = by_type.get(EventType.EXECUTION_CANARY_PASSED) or by_type.get(EventType.EXECUTION_RESUMED)
    return slowly_after(newest[1].plan, newest[0].occurred_at) if newest is not None else None
