"""One size of what grows and what a message cost there, as a table and as data. Knows nothing of how it was taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich import box
from rich.table import Table
from tests.bench.report import Spread

_PARTS = ("in all", "gate", "executor", "control", "audit", "client", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The turns of one size of an axis: messages a second, and microseconds a message by process."""

    axis: str
    size: int
    rates: list[float] = field(default_factory=list)
    parts: list[Mapping[str, float]] = field(default_factory=list)

    def add(self, rate: float, parts: Mapping[str, float]) -> None:
        """Add a turn. Processes of one service are one part."""
        services: dict[str, float] = {}
        for name, used in parts.items():
            service = name.partition("-")[0]
            services[service] = services.get(service, 0.0) + used
        self.rates.append(rate)
        self.parts.append({"in all": sum(services.values()), **services})

    @property
    def rate(self) -> float:
        return median(self.rates)

    @property
    def microseconds(self) -> dict[str, float]:
        return {name: median(parts[name] for parts in self.parts) for name in self.parts[0]}

    def data(self) -> dict[str, object]:
        """Return every turn for a machine to read."""
        return {"axis": self.axis, "size": self.size, "messages_a_second": self.rates, "microseconds": self.parts}


def table(points: Sequence[Point], title: str) -> Table:
    """Show a row a size; `of the first` is what a message costs there of what it costs at the axis's first size."""
    shown = Table(box=box.MARKDOWN, title=title, title_justify="left")
    for column in ("", "messages/s", "CPU µs a message", "of the first", *_PARTS[1:]):
        shown.add_column(column, justify="right" if column else "left")
    first: dict[str, float] = {}
    for point in points:
        used = point.microseconds
        least = first.setdefault(point.axis, used["in all"])
        parts = [f"{used.get(name, 0.0):,.0f}" for name in _PARTS]
        rate = str(Spread(values=tuple(point.rates)))
        shown.add_row(f"{point.axis}: {point.size:,}", rate, parts[0], f"{used['in all'] / least:.2f}", *parts[1:])
    return shown
