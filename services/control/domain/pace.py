"""How fast and how far what is not paused may go on, by the resumptions that cover it. Knows no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from control.domain.coverage import Coverage, Sending
from control.domain.pause import Pause
from kernel.ids import ControlId


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryLimit:
    """How many sends may begin in all while the canary of a lifted pause runs."""

    control_id: ControlId
    sends: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The share of the pace, above 0 to 1, and how many may go out in all, if that is limited."""

    rate_factor: float = 1.0
    canary: CanaryLimit | None = None


FULL = Pace()


def pace_of(resumed: Coverage, sending: Sending, at: datetime) -> Pace:
    """Return the slowest of the paces that resumptions set for `sending`, and the oldest canary of those that run."""
    covering = resumed.of(sending)
    return Pace(rate_factor=_factor(covering, at), canary=_canary(covering)) if covering else FULL


def rate_factor(resumed: Coverage, sending: Sending, at: datetime) -> float:
    """Return the share of the pace for `sending`, above 0 to 1."""
    return _factor(resumed.of(sending), at)


def _factor(covering: Sequence[Pause], at: datetime) -> float:
    return min((pause.resumption.factor(at) for pause in covering if pause.resumption), default=1.0)


def _canary(covering: Sequence[Pause]) -> CanaryLimit | None:
    for pause in covering:
        if pause.resumption is not None and (canary := pause.resumption.canary) is not None:
            return CanaryLimit(control_id=pause.control_id, sends=canary.sends)
    return None
