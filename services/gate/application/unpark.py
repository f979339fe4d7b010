"""Unpark: make what waited for an event due once the event has come: a resume, a connection, the end of a cooldown.

Looks at scopes, of which there are few, never at intents, of which there may be a million. Decides nothing itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gate.application.again import scopes_to_ask
from gate.application.judging import CONTROL, RESUME
from gate.application.ports import Asked, Control, Store
from gate.domain.facts import Controls, Scope
from kernel.clock import Clock

_A_CHUNK = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedScope:
    """What some intents wait for, and in which campaign and instance (empty: any of the organization's)."""

    waits_for: str
    organization_id: str
    campaign_id: str
    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """Whether an instance could send."""

    instance_id: str
    connected: bool
    cooling_until: datetime | None


class Parked(Protocol):
    """Finds and frees what waits for events."""

    async def parked_scopes(self) -> Sequence[ParkedScope]:
        """Return the scopes in which intents wait for an event."""
        ...

    async def instance_states(self, organization_ids: Sequence[str]) -> Mapping[str, Sequence[InstanceState]]:
        """Return the instances of organizations."""
        ...

    async def free(self, scope: ParkedScope, now: datetime, most: int) -> int:
        """Make up to `most` intents of a scope due, and return how many."""
        ...


async def unpark(*, control: Control, store: Store, parked: Parked, clock: Clock) -> bool:
    """Free what can go on. Return whether some waits for control to answer."""
    scopes = await parked.parked_scopes()
    if not scopes:
        return False
    states = await parked.instance_states(sorted({scope.organization_id for scope in scopes}))
    stopped = [scope for scope in scopes if scope.waits_for in (RESUME, CONTROL) or not scope.instance_id]
    asked = [
        Asked(
            organization_id=scope.organization_id,
            campaign_id=scope.campaign_id,
            instance_id=scope.instance_id,
        )
        for scope in stopped
    ]
    wanted = await scopes_to_ask(asked, store)
    controls = await control.check(wanted)
    now = clock.now()
    for scope in scopes:
        if _is_free(scope, states.get(scope.organization_id, ()), controls, now):
            while await parked.free(scope, now, _A_CHUNK) == _A_CHUNK:
                continue
    return not controls.asked >= wanted


def _is_free(scope: ParkedScope, states: Sequence[InstanceState], controls: Controls, now: datetime) -> bool:
    """Tell whether the event has come: for a named instance what it waits for, else that some instance could send."""
    campaign = Scope(scope.organization_id, "", scope.campaign_id)
    if not scope.instance_id:
        return _allowed(controls, campaign) and any(
            state.connected
            and _is_cool(state, now)
            and _allowed(controls, Scope(scope.organization_id, state.instance_id, ""))
            for state in states
        )
    named = next((state for state in states if state.instance_id == scope.instance_id), None)
    match scope.waits_for:
        case "INSTANCE":
            return named is not None and named.connected
        case "COOLDOWN":
            return named is not None and _is_cool(named, now)
        case _:
            instance = Scope(scope.organization_id, scope.instance_id, "")
            return _allowed(controls, campaign) and _allowed(controls, instance)


def _is_cool(state: InstanceState, now: datetime) -> bool:
    return state.cooling_until is None or state.cooling_until <= now


def _allowed(controls: Controls, scope: Scope) -> bool:
    return controls.knows(scope) and scope not in controls.pauses
