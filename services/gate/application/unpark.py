"""Unpark: make what waited for an event due once the event has come: a resume, a connection, the end of a cooldown.

Looks at scopes, of which there are few, never at intents, of which there may be a million: those it frees a share at a
time, so that what is freed first goes out first and nobody else waits for it. Decides nothing itself.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, inf
from typing import Protocol

from gate.application.again import scopes_to_ask
from gate.application.ports import Asked, Control, Store
from gate.domain.facts import Controls, Scope
from kernel.clock import Clock

# Of the 500 that a round of release takes of an organization, the rest is for what comes due meanwhile.
_AN_ORGANIZATION = 400
# Messages a second and instance that may be freed at the full pace of a ramp: some more than the 80 that the executor
# sends then, so that it always has the next ones, and far fewer than would run out of their approvals there.
_AN_INSTANCE = 100.0
_LOOK_AGAIN = 30.0
_CONTROL_AWAY = 1.0


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

    async def free(self, portions: Mapping[ParkedScope, int], now: datetime) -> None:
        """Make up to so many intents of each scope due."""
        ...


@dataclass(slots=True, kw_only=True)
class Unpark:
    """Frees, call after call, what can go on; what goes on along a ramp little faster than the executor sends it."""

    control: Control
    store: Store
    parked: Parked
    clock: Clock
    _next_at: dict[ParkedScope, float] = field(default_factory=dict)

    async def __call__(self) -> float:
        """Free the next share of each scope whose event has come. Return after how many seconds to do it again."""
        scopes = await self.parked.parked_scopes()
        if not scopes:
            return _LOOK_AGAIN
        states = await self.parked.instance_states(sorted({scope.organization_id for scope in scopes}))
        wanted = await scopes_to_ask([_asked(scope) for scope in scopes], self.store)
        controls = await self.control.check(wanted)
        now = self.clock.now()
        usable = {scope: _usable(scope, states.get(scope.organization_id, ()), controls, now) for scope in scopes}
        free = {scope: instance_ids for scope, instance_ids in usable.items() if instance_ids}
        at_once = self._at_once(free, controls)
        slowly = self._slowly({scope: ids for scope, ids in free.items() if scope not in at_once}, controls)
        if at_once or slowly:
            await self.parked.free({**at_once, **slowly}, now)
        if at_once:
            return 0.0
        next_at = min(self._next_at.values(), default=inf) - self.clock.boottime()
        return max(0.0, min(next_at, _LOOK_AGAIN if controls.asked >= wanted else _CONTROL_AWAY))

    def _at_once(self, free: Mapping[ParkedScope, Sequence[str]], controls: Controls) -> dict[ParkedScope, int]:
        """Share a round out among the scopes of each organization that have an instance at full pace."""
        full = [scope for scope, ids in free.items() if any(_share(scope, one, controls) >= 1 for one in ids)]
        scopes = Counter(scope.organization_id for scope in full)
        return {scope: max(1, _AN_ORGANIZATION // scopes[scope.organization_id]) for scope in full}

    def _slowly(self, ramping: Mapping[ParkedScope, Sequence[str]], controls: Controls) -> dict[ParkedScope, int]:
        """Share the pace of each instance out among the scopes that are sent from it."""
        scopes = Counter((scope.organization_id, one) for scope, ids in ramping.items() for one in ids)
        began, self._next_at = self._next_at, {}
        moment = self.clock.boottime()
        portions: dict[ParkedScope, int] = {}
        for scope, ids in ramping.items():
            rate = sum(_AN_INSTANCE * _share(scope, one, controls) / scopes[scope.organization_id, one] for one in ids)
            self._next_at[scope] = began.get(scope, moment)
            if self._next_at[scope] <= moment:
                portions[scope] = ceil(rate)
                self._next_at[scope] = moment + ceil(rate) / rate
        return portions


def _asked(scope: ParkedScope) -> Asked:
    return Asked(organization_id=scope.organization_id, campaign_id=scope.campaign_id, instance_id=scope.instance_id)


def _usable(scope: ParkedScope, states: Sequence[InstanceState], controls: Controls, now: datetime) -> Sequence[str]:
    """Return the instances for which the event has come: the named one, else all that could send."""
    campaign = Scope(scope.organization_id, "", scope.campaign_id)
    if not scope.instance_id:
        return [
            state.instance_id
            for state in states
            if _allowed(controls, campaign)
            and state.connected
            and _is_cool(state, now)
            and _allowed(controls, Scope(scope.organization_id, state.instance_id, ""))
        ]
    named = next((state for state in states if state.instance_id == scope.instance_id), None)
    match scope.waits_for:
        case "INSTANCE":
            came = named is not None and named.connected
        case "COOLDOWN":
            came = named is not None and _is_cool(named, now)
        case _:
            instance = Scope(scope.organization_id, scope.instance_id, "")
            came = _allowed(controls, campaign) and _allowed(controls, instance)
    return [scope.instance_id] if came else []


def _is_cool(state: InstanceState, now: datetime) -> bool:
    return state.cooling_until is None or state.cooling_until <= now


def _allowed(controls: Controls, scope: Scope) -> bool:
    return controls.knows(scope) and scope not in controls.pauses


def _share(scope: ParkedScope, instance_id: str, controls: Controls) -> float:
    """Return the share of its pace at which an instance goes on with this scope."""
    return min(
        controls.shares.get(Scope(scope.organization_id, "", scope.campaign_id), 1.0),
        controls.shares.get(Scope(scope.organization_id, instance_id, ""), 1.0),
    )
