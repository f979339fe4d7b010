"""One pause record and the changes it may go through. Knows nothing of how long a fence takes or who may pause."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from control.domain.resumption import CanaryFailure, Plan, Resumption
from kernel.ids import ControlId, OrganizationId

PLATFORM = OrganizationId("")
SYSTEM = "system"


class Scope(StrEnum):
    """What a pause covers."""

    INSTANCE = "INSTANCE"
    CAMPAIGN = "CAMPAIGN"
    ORGANIZATION = "ORGANIZATION"
    PLATFORM = "PLATFORM"

    @property
    def has_target(self) -> bool:
        """Whether a pause of this scope names one instance or campaign."""
        return self in (Scope.INSTANCE, Scope.CAMPAIGN)


class Source(StrEnum):
    """Who is behind a pause: a person or backend, the gate, the provider, or those who run the installation."""

    MANUAL = "MANUAL"
    AUTO = "AUTO"
    PROVIDER = "PROVIDER"
    PLATFORM = "PLATFORM"


class State(StrEnum):
    """Where a pause stands."""

    PAUSING = "PAUSING"
    FENCED = "FENCED"
    RESUMED = "RESUMED"
    EXPIRED = "EXPIRED"

    @property
    def is_live(self) -> bool:
        """Whether it halts sends."""
        return self in (State.PAUSING, State.FENCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody wants paused. `peer` is the service that asks, empty for a caller: each has its own request ids."""

    organization_id: OrganizationId
    scope: Scope
    target: str
    reason: str
    source: Source
    paused_until: datetime | None
    paused_by: str
    peer: str
    request_id: str

    def __post_init__(self) -> None:
        if (self.scope is Scope.PLATFORM) != (self.organization_id == PLATFORM):
            raise ValueError("a pause belongs to an organization unless it covers the platform")
        if self.scope.has_target != bool(self.target):
            raise ValueError("a pause has a target if it covers an instance or a campaign")
        if self.paused_until is not None and self.paused_until.tzinfo is None:
            raise ValueError("paused_until must be aware")

    @property
    def content(self) -> tuple[object, ...]:
        """What a repeated request must have in common with the first."""
        return self.scope, self.target, self.reason, self.source, self.paused_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a pause ended. `request_id` is that of the resume, empty if it expired; `resumption` how it went on."""

    at: datetime
    by: str
    reason: str
    request_id: str
    resumption: Resumption | None

    def __post_init__(self) -> None:
        if bool(self.request_id) != (self.resumption is not None):
            raise ValueError("a pause that a request lifted has a resumption")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause; its times are the database's.

    `version` is what its organization's control version became by its last change, `begun_version` by its first;
    `ttl_max` is the longest permit that anyone could hold when it was committed.
    """

    control_id: ControlId
    order: Order
    state: State
    begun_version: int
    version: int
    ttl_max: timedelta
    created_at: datetime
    fenced_at: datetime | None = None
    ending: Ending | None = None

    def __post_init__(self) -> None:
        if self.state.is_live == (self.ending is not None):
            raise ValueError("a pause has an ending when it is no longer live")
        if (self.state is State.PAUSING and self.fenced_at) or (self.state is State.FENCED and not self.fenced_at):
            raise ValueError("a pause is fenced when it has a time at which its fence stood")

    @property
    def organization_id(self) -> OrganizationId:
        """Whose; PLATFORM for a pause of everything."""
        return self.order.organization_id

    @property
    def resumption(self) -> Resumption | None:
        """How sending goes on; none unless it was resumed."""
        return self.ending.resumption if self.ending else None

    @property
    def runs_canary(self) -> bool:
        """Whether it was resumed with a canary that has neither passed nor failed yet."""
        return self.resumption is not None and self.resumption.canary is not None

    @property
    def changed_at(self) -> datetime:
        """When it came to be as it is."""
        if self.ending is None:
            return self.fenced_at or self.created_at
        settled_at = self.ending.resumption.settled_at if self.ending.resumption else None
        return settled_at or self.ending.at

    @property
    def changed_by(self) -> str:
        """Who made it as it is."""
        match self.state:
            case State.PAUSING:
                return self.order.paused_by
            case State.FENCED:
                return SYSTEM
            case State.RESUMED | State.EXPIRED:
                has_settled = self.resumption is not None and self.resumption.settled_at is not None
                return self.ending.by if self.ending and not has_settled else SYSTEM

    @classmethod
    def begin(cls, order: Order, *, control_id: ControlId, version: int, ttl_max: timedelta, at: datetime) -> Self:
        """Return the pause that `order` asks for, not fenced yet."""
        return cls(
            control_id=control_id,
            order=order,
            state=State.PAUSING,
            begun_version=version,
            version=version,
            ttl_max=ttl_max,
            created_at=at,
        )

    def fence(self, *, version: int, at: datetime) -> "Pause":
        """Return it with its fence standing. Only for one that is PAUSING."""
        if self.state is not State.PAUSING:
            raise ValueError(f"a pause that is {self.state} cannot be fenced")
        return replace(self, state=State.FENCED, version=version, fenced_at=at)

    def resume(self, *, version: int, at: datetime, by: str, reason: str, request_id: str, plan: Plan) -> "Pause":
        """Return it lifted, with its plan begun. Only for one that is live."""
        resumption = Resumption.begin(plan, at)
        ending = Ending(at=at, by=by, reason=reason, request_id=request_id, resumption=resumption)
        return self._end(State.RESUMED, version=version, ending=ending)

    def pass_canary(self, *, version: int, at: datetime) -> "Pause":
        """Return it with its canary passed. Only for one whose canary runs."""
        return self._go_on(version, lambda resumption: resumption.pass_canary(at))

    def fail_canary(self, *, version: int, at: datetime, replaced_by: ControlId) -> "Pause":
        """Return it with its canary failed and another pause in its place. Only for one whose canary runs."""
        failure = CanaryFailure(at=at, control_id=replaced_by)
        return self._go_on(version, lambda resumption: resumption.fail_canary(failure))

    def cut_short(self, at: datetime) -> "Pause":
        """Return it with what is under way of its plan left to a newer one."""
        if self.ending is None or self.ending.resumption is None:
            return self
        return replace(self, ending=replace(self.ending, resumption=self.ending.resumption.cut_short(at)))

    def expire(self, *, version: int, at: datetime) -> "Pause":
        """Return it ended by itself. Only for one that is live and due."""
        if not self.is_due(at):
            raise ValueError("a pause expires when its paused_until has passed")
        ending = Ending(at=at, by=SYSTEM, reason="its time was over", request_id="", resumption=None)
        return self._end(State.EXPIRED, version=version, ending=ending)

    def is_due(self, now: datetime) -> bool:
        """Tell whether its time is over, on the clock of the database."""
        return self.state.is_live and self.order.paused_until is not None and self.order.paused_until <= now

    def _go_on(self, version: int, step: Callable[[Resumption], Resumption]) -> "Pause":
        if self.ending is None or self.ending.resumption is None:
            raise ValueError(f"a pause that is {self.state} has no canary")
        ending = replace(self.ending, resumption=step(self.ending.resumption))
        return replace(self, version=version, ending=ending)

    def _end(self, state: State, *, version: int, ending: Ending) -> "Pause":
        if not self.state.is_live:
            raise ValueError(f"a pause that is {self.state} cannot end again")
        return replace(self, state=state, version=version, ending=ending)
