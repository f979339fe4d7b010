"""Which permits no send may begin with any more, because a pause was heard of. Knows no session and asks nobody.

An acknowledged pause rests on this: whatever the stream does afterwards, a permit that is older than the pause stays
revoked until its own time is over.
"""

from collections.abc import Iterable

from executor.domain.job import Scope
from executor.domain.pauses import Pause, PauseScope
from executor.domain.permit import LONGEST_TTL


class Revocations:
    """The highest version heard for each thing that was paused."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str, str], tuple[int, float]] = {}

    def revoke(self, pauses: Iterable[Pause], now: float) -> None:
        """From now on refuse the permits that are older than `pauses`. `now` is in seconds of the boot-time clock."""
        # Whoever asks after a pause was heard of gets a newer answer; what was asked before is over by then.
        for covered in [covered for covered, (_, at) in self._heard.items() if now - at > LONGEST_TTL]:
            del self._heard[covered]
        for pause in pauses:
            version, _ = self._heard.get(pause.covered, (0, now))
            self._heard[pause.covered] = (max(version, pause.version), now)

    def revoked(self, scope: Scope, *, control_version: int, platform_version: int) -> bool:
        """Tell whether a permit for `scope`, given at these versions, is older than a pause that covers it."""
        if not self._heard:
            return False
        organization = scope.organization_id
        return (
            self._above(control_version, (PauseScope.CAMPAIGN, organization, scope.campaign_id))
            or self._above(control_version, (PauseScope.INSTANCE, organization, scope.instance_id))
            or self._above(control_version, (PauseScope.ORGANIZATION, organization, ""))
            or self._above(platform_version, (PauseScope.PLATFORM, "", ""))
        )

    def _above(self, version: int, covered: tuple[str, str, str]) -> bool:
        heard = self._heard.get(covered)
        return heard is not None and version < heard[0]
