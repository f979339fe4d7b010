"""What is known to be paused, as the watch tells it. An aid only: whether something may go out is asked of control."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gate.domain.facts import Pause


class PauseScope(StrEnum):
    """What a pause covers."""

    INSTANCE = "INSTANCE"
    CAMPAIGN = "CAMPAIGN"
    ORGANIZATION = "ORGANIZATION"
    PLATFORM = "PLATFORM"


_Place = tuple[PauseScope, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePause:
    """One live pause. Where it covers more than a target or an organization, these are empty."""

    scope: PauseScope
    organization_id: str
    target: str
    pause: Pause

    @property
    def place(self) -> _Place:
        """Return what it is found by."""
        return self.scope, self.organization_id, self.target


@dataclass(slots=True)
class PausedScopes:
    """The live pauses by their ids; none while the watch is broken."""

    _live: dict[str, LivePause] = field(default_factory=dict)
    _at: dict[_Place, dict[str, Pause]] = field(default_factory=lambda: defaultdict(dict))

    def replace(self, live: Mapping[str, LivePause]) -> None:
        """Take over everything that is live now."""
        self._live.clear()
        self._at.clear()
        for control_id, pause in live.items():
            self.begin(control_id, pause)

    def begin(self, control_id: str, pause: LivePause) -> None:
        """Note a pause."""
        self._live[control_id] = pause
        self._at[pause.place][control_id] = pause.pause

    def end(self, control_id: str) -> None:
        """Forget a pause that ended."""
        ended = self._live.pop(control_id, None)
        if ended is not None:
            del self._at[ended.place][control_id]
            if not self._at[ended.place]:
                del self._at[ended.place]

    def covering(self, organization_id: str, campaign_id: str, instance_id: str) -> Sequence[Pause]:
        """Return the live pauses that are known to cover all that an intent could be sent from."""
        places: list[_Place] = [
            (PauseScope.PLATFORM, "", ""),
            (PauseScope.ORGANIZATION, organization_id, ""),
            (PauseScope.CAMPAIGN, organization_id, campaign_id),
        ]
        if instance_id:
            places.append((PauseScope.INSTANCE, organization_id, instance_id))
        return [pause for place in places if place in self._at for pause in self._at[place].values()]
