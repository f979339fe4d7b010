"""Which pauses cover what. Knows nothing of the state of the pauses it is given."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from control.domain.pause import PLATFORM, Pause, Scope
from kernel.ids import OrganizationId


@dataclass(frozen=True, slots=True)
class Sending:
    """What a send belongs to. An empty instance or campaign is one not known, and met by no pause of one."""

    organization_id: str
    instance_id: str
    campaign_id: str


class Coverage:
    """Pauses, laid out so that each question costs a few look-ups however many pauses there are."""

    def __init__(self, pauses: Iterable[Pause]) -> None:
        self._whole: defaultdict[str, list[Pause]] = defaultdict(list)
        self._narrow: defaultdict[tuple[str, Scope, str], list[Pause]] = defaultdict(list)
        for pause in pauses:
            order = pause.order
            if order.scope.has_target:
                self._narrow[order.organization_id, order.scope, order.target].append(pause)
            else:
                self._whole[order.organization_id].append(pause)

    @property
    def is_empty(self) -> bool:
        """Whether it covers nothing."""
        return not self._whole and not self._narrow

    def of(self, sending: Sending) -> Sequence[Pause]:
        """Return the pauses that cover `sending`, the oldest first."""
        found = [*self._whole.get(PLATFORM, ()), *self._whole.get(sending.organization_id, ())]
        if self._narrow:
            for scope, target in ((Scope.INSTANCE, sending.instance_id), (Scope.CAMPAIGN, sending.campaign_id)):
                if target:
                    found += self._narrow.get((sending.organization_id, scope, target), ())
        return sorted(found, key=lambda pause: (pause.created_at, pause.control_id)) if len(found) > 1 else found


def ends_at(pauses: Sequence[Pause]) -> datetime | None:
    """Return when the last of `pauses` ends by itself; none if one of them does not."""
    ends = [pause.order.paused_until for pause in pauses if pause.order.paused_until is not None]
    return max(ends) if pauses and len(ends) == len(pauses) else None


def overlaps(one: Pause, other: Pause) -> bool:
    """Tell whether some send could be covered by both."""
    if not _share_organization(one.organization_id, other.organization_id):
        return False
    if one.order.scope is other.order.scope and one.order.scope.has_target:
        return one.order.target == other.order.target
    return True


def _share_organization(one: OrganizationId, other: OrganizationId) -> bool:
    return PLATFORM in (one, other) or one == other
