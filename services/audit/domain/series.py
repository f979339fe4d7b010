"""Numbers as points in time, and which kept spans they are added up from. Knows nothing of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.domain.metrics import Numbers, Sum, Window, count, window_start
from audit.domain.rollup import SPANS, span_of
from kernel.errors import Violation, invalid

MOST_POINTS = 2_000
MOST_SPANS = 2_880


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How a window is cut: points of `step` minutes, each made of spans of `span` minutes, the first from `start`.

    Raises `Failure` INVALID_ARGUMENT where that would be too many points, or too many spans to add up.
    """

    window: int
    step: int

    def __post_init__(self) -> None:
        if self.window > MOST_POINTS * self.step:
            least = -(-self.window // MOST_POINTS)
            raise _refused(f"a window of {self.window} minutes has at most {MOST_POINTS:,} points: use {least} or more")
        if self.window > MOST_SPANS * self.span:
            needed = next(span for span in SPANS if self.window <= MOST_SPANS * span)
            raise _refused(f"a window of {self.window} minutes needs a multiple of {needed}")

    @property
    def span(self) -> int:
        """Return the longest kept span that points can be made of."""
        return max(span for span in SPANS if self.step % span == 0)

    def start(self, now: datetime) -> datetime:
        """Return the multiple of the step, since 1970, that the window begins at or after."""
        return span_of(window_start(self.window, now), self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The numbers from the window's start up to its end, which only the last point includes."""

    window: Window
    numbers: Numbers


def points(steps: Steps, start: datetime, end: datetime, sums: Mapping[datetime, Sequence[Sum]]) -> tuple[Point, ...]:
    """Put together the points between `start` and now from sums by the points' starts."""
    made = []
    while start <= end:
        until = start + timedelta(minutes=steps.step)
        window = Window(start=start, end=min(until, end))
        made.append(Point(window=window, numbers=count(sums.get(start, ()))))
        start = until
    return tuple(made)


def _refused(why: str) -> Exception:
    return invalid(Violation(field="step_minutes", description=why))
