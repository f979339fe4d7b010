"""What a decision is made from. Knows nothing of where facts come from; holds no number and no text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gate.domain.policy import Policy
from gate.domain.schedule import Schedule, Slot
from gate.domain.words import Category
from kernel.values import value


@value
class Intent:
    """What is judged. `accepted` tells an intent that was decided before from a new one; a new one's id may be any.

    `utc_offset` is the recipient's local time in hours from UTC.
    """

    intent_id: UUID
    organization_id: str
    campaign_id: str
    instance_id: str
    category: Category
    utc_offset: int
    expire_time: datetime
    hold_if_paused: bool
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown:
    """A time in which an instance does not send."""

    reason: str
    level: int
    start_time: datetime
    end_time: datetime


@dataclass(slots=True, kw_only=True)
class Instance:
    """A number to send from, with the schedule that a batch of decisions takes its slots from."""

    instance_id: str
    connected: bool
    cooldown: Cooldown | None = None
    schedule: Schedule = field(default_factory=Schedule)


class Scope(NamedTuple):
    """What control is asked about; an empty instance or campaign stands for none."""

    organization_id: str
    instance_id: str = ""
    campaign_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Control says no: until when, if it ends by itself, and why."""

    until: datetime | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """One answer of control. Scopes that were not asked about count as unreachable.

    `shares` holds what goes on slowly after a pause: the share of its pace, above 0 and below 1.
    """

    asked: frozenset[Scope] = frozenset()
    pauses: Mapping[Scope, Pause] = field(default_factory=dict)
    shares: Mapping[Scope, float] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)

    def for_returns(self) -> "Controls":
        """Return the answer for what comes back: where it goes on slowly, it waits for its turn like what is parked."""
        slow = dict.fromkeys(self.shares, Pause(until=None, note="it goes on slowly after a pause"))
        return replace(self, pauses={**slow, **self.pauses})

    def knows(self, scope: Scope) -> bool:
        """Tell whether control answered for `scope`."""
        return scope in self.asked


@value
class Facts:
    """Everything else that a decision depends on.

    `instances` holds the one that the intent names, if it is registered, or all that could be chosen. `held` is the
    slot that an accepted intent has, in the schedule of `held_by`.
    """

    mobile: bool
    suppressed: bool
    duplicate: bool
    policy: Policy
    policy_version: int
    controls: Controls
    instances: Sequence[Instance]
    held: Slot | None = None
    held_by: str = ""
