"""What is known to be paused, as the watch tells it. An aid only: whether something may go out is asked of control."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PauseScope(StrEnum):
    """What a pause covers."""

    INSTANCE = "INSTANCE"
    CAMPAIGN = "CAMPAIGN"
    ORGANIZATION = "ORGANIZATION"
    PLATFORM = "PLATFORM"


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePause:
    """One live pause."""

    scope: PauseScope
    organization_id: str
    target: str


@dataclass(slots=True)
class PausedScopes:
    """The live pauses by their ids; none while the watch is broken."""

    _live: dict[str, LivePause] = field(default_factory=dict)

    def replace(self, live: Mapping[str, LivePause]) -> None:
        """Take over everything that is live now."""
        self._live = dict(live)

    def begin(self, control_id: str, pause: LivePause) -> None:
        """Note a pause."""
        self._live[control_id] = pause

    def end(self, control_id: str) -> None:
        """Forget a pause that ended."""
        self._live.pop(control_id, None)

    def cover(self, organization_id: str, campaign_id: str, instance_id: str) -> bool:
        """Tell whether a live pause is known to cover all that an intent could be sent from."""
        for pause in self._live.values():
            match pause.scope:
                case PauseScope.PLATFORM:
                    return True
                case PauseScope.ORGANIZATION:
                    covered = True
                case PauseScope.CAMPAIGN:
                    covered = pause.target == campaign_id
                case PauseScope.INSTANCE:
                    covered = bool(instance_id) and pause.target == instance_id
            if covered and pause.organization_id == organization_id:
                return True
        return False
