"""Which scopes are known to be paused, as the watch tells it: a hint that saves work, never a permission.

Knows no stream. While the stream is broken nothing counts as known, and only what control answers is believed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from executor.domain.job import Scope


class PauseScope(StrEnum):
    """What a pause covers."""

    INSTANCE = "INSTANCE"
    CAMPAIGN = "CAMPAIGN"
    ORGANIZATION = "ORGANIZATION"
    PLATFORM = "PLATFORM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One live pause. Its `version` is the organization's, or the platform's, that its last change made.

    While it is `pausing`, control waits for those who have not acknowledged it.
    """

    control_id: UUID
    scope: PauseScope
    organization_id: str
    target: str
    version: int
    pausing: bool

    @property
    def covered(self) -> tuple[str, str, str]:
        return (self.scope, self.organization_id, self.target)


class KnownPauses:
    """The live pauses as last heard of."""

    def __init__(self) -> None:
        self._live: dict[UUID, Pause] = {}
        self._covered: set[tuple[str, str, str]] = set()
        self._heard = False
        self.release_due = False

    def snapshot(self, pauses: Iterable[Pause]) -> None:
        """Begin anew with everything that is live. What was held and is no longer covered is to be released."""
        self._live = {pause.control_id: pause for pause in pauses}
        self._heard = True
        self.release_due = True
        self._recount()

    def began(self, pause: Pause) -> None:
        """Note a live pause, or a newer version of it."""
        self._live[pause.control_id] = pause
        self._recount()

    def ended(self, control_id: UUID) -> None:
        """Forget a pause; what it alone held is to be released."""
        self.release_due = True
        if self._live.pop(control_id, None) is not None:
            self._recount()

    def lifted(self, scope: Scope, *, control_version: int, platform_version: int) -> None:
        """Forget the pauses of `scope` that control, at these versions, no longer has: their end was never heard of."""
        if not any(covered in self._covered for covered in _covering(scope)):
            return
        for pause in list(self._live.values()):
            version = platform_version if pause.scope is PauseScope.PLATFORM else control_version
            if pause.covered in _covering(scope) and pause.version <= version:
                self.ended(pause.control_id)

    def lost(self) -> None:
        """Believe nothing until the next snapshot."""
        self._heard = False

    def covers(self, scope: Scope) -> bool:
        """Tell whether `scope` is known to be paused."""
        if not self._heard or not self._covered:
            return False
        return any(covered in self._covered for covered in _covering(scope))

    def live_ids(self) -> tuple[UUID, ...]:
        """Return the ids of all live pauses."""
        return tuple(self._live)

    def _recount(self) -> None:
        self._covered = {pause.covered for pause in self._live.values()}


def _covering(scope: Scope) -> tuple[tuple[str, str, str], ...]:
    organization = scope.organization_id
    return (
        (PauseScope.CAMPAIGN, organization, scope.campaign_id),
        (PauseScope.INSTANCE, organization, scope.instance_id),
        (PauseScope.ORGANIZATION, organization, ""),
        (PauseScope.PLATFORM, "", ""),
    )
