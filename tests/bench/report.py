"""Turn samples into medians, ranges and ratios, as a table and as data. Knows nothing of how they were taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich import box
from rich.table import Table
from tests.bench.delay import LEAST_SECONDS, MOST_A_SECOND, MOST_SECONDS, SLOTS
from tests.bench.samples import DELAYED, Measure, Sample

OURS = "whatlead"
_OF_PROCESSOR = (Measure.BULK_PROCESSOR, Measure.SINGLE_PROCESSOR, Measure.STEADY_PROCESSOR, Measure.DELAYED_PROCESSOR)
_OF_WAITING = (Measure.WAITING_GATE, Measure.WAITING_EXECUTOR, Measure.WAITING_RATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The values of one figure over the runs, in their order."""

    values: tuple[float, ...]

    def data(self) -> dict[str, object]:
        return {
            "median": _rounded(median(self.values)),
            "min": _rounded(min(self.values)),
            "max": _rounded(max(self.values)),
            "values": [_rounded(value) for value in self.values],
        }

    def __str__(self) -> str:
        middle, least, most = (_shown(value) for value in (median(self.values), min(self.values), max(self.values)))
        return middle if least == most else f"{middle} [{least}-{most}]"


def spread(samples: Sequence[Sample], measure: Measure, contestant: str) -> Spread | None:
    """Return the values of a figure, or None if it was not measured."""
    values = tuple(s.value for s in samples if s.measure is measure and s.contestant == contestant)
    return Spread(values=values) if values else None


def ratio(samples: Sequence[Sample], measure: Measure, peer: str) -> Spread | None:
    """Return ours divided by a peer's, run by run; None if no run has both or it says nothing about either."""
    if measure is Measure.OTHERS:
        return None
    ours, theirs = (
        {s.run: s.value for s in samples if s.measure is measure and s.contestant == name} for name in (OURS, peer)
    )
    values = tuple(ours[run] / theirs[run] for run in ours if theirs.get(run))
    return Spread(values=values) if values else None


def tables(samples: Sequence[Sample], runs: int) -> list[Table]:
    """Show medians and ranges and what ours is of each peer's; a slow provider's apart; where time and memory go."""
    runs_of = f"medians, least and most of {runs} alternating runs"
    delayed = (
        f"the same with a provider that takes {LEAST_SECONDS * 1000:.0f} to {MOST_SECONDS * 1000:.0f} ms"
        f" and {SLOTS} at a time, {MOST_A_SECOND:,.0f}/s at most"
    )
    shown = [
        _table(samples, runs_of, [measure for measure in Measure if measure not in DELAYED]),
        _table(samples, delayed, DELAYED),
        _parts_table(samples, "CPU µs a message, by process", _OF_PROCESSOR),
        _parts_table(samples, "resident memory after the bulk, MB, by process", (Measure.MEMORY,)),
    ]
    return [table for table in shown if table.row_count]


def _table(samples: Sequence[Sample], title: str, measures: Sequence[Measure]) -> Table:
    contestants = _contestants([sample for sample in samples if sample.measure in measures])
    peers = [name for name in contestants if name != OURS] if OURS in contestants else []
    shown = Table(box=box.MARKDOWN, title=title, title_justify="left")
    shown.add_column("")
    for name in (*contestants, *(f"of {peer}" for peer in peers)):
        shown.add_column(name, justify="right")
    for measure in measures:
        cells = [spread(samples, measure, name) for name in contestants]
        cells += [ratio(samples, measure, peer) for peer in peers]
        if any(cells):
            shown.add_row(measure.value, *(str(cell or "-") for cell in cells))
    return shown


def _parts_table(samples: Sequence[Sample], title: str, measures: Sequence[Measure]) -> Table:
    """Show medians over the runs."""
    shown = Table(box=box.MARKDOWN, title=title, title_justify="left")
    for column in ("", "in all", "of which"):
        shown.add_column(column)
    for name in _contestants(samples):
        for measure in measures:
            parts = median_parts(samples, measure, name)
            if parts:
                named = " · ".join(f"{part} {_shown(value)}" for part, value in parts.items() if value >= 0.1)
                shown.add_row(f"{name}, {measure.value.partition(':')[0]}", _shown(sum(parts.values())), named)
    return shown


def median_parts(samples: Sequence[Sample], measure: Measure, contestant: str) -> dict[str, float]:
    """Return the median of each part of a figure."""
    found = [s.parts for s in samples if s.measure is measure and s.contestant == contestant]
    return {part: median(parts[part] for parts in found) for part in found[0]} if found else {}


def data(samples: Sequence[Sample]) -> dict[str, object]:
    """Return figures, ratios and parts for a machine to read."""
    contestants = _contestants(samples)
    figures = {(m, c): spread(samples, m, c) for m in Measure for c in contestants}
    ratios = {(m, c): ratio(samples, m, c) for m in Measure for c in contestants if c != OURS}
    parts = {(m, c): median_parts(samples, m, c) for m in Measure for c in contestants}
    return {
        "figures": {m.name.lower(): {c: s.data() for c in contestants if (s := figures[m, c])} for m in Measure},
        "ratios": {m.name.lower(): {c: s.data() for c in contestants if (s := ratios.get((m, c)))} for m in Measure},
        "microseconds_by_process": {
            m.name.lower(): {c: parts[m, c] for c in contestants if parts[m, c]} for m in _OF_PROCESSOR
        },
        "megabytes_by_process": {c: parts[Measure.MEMORY, c] for c in contestants if parts[Measure.MEMORY, c]},
        "of_waiting": {m.name.lower(): parts[m, OURS] for m in _OF_WAITING if parts.get((m, OURS))},
    }


def _contestants(samples: Sequence[Sample]) -> list[str]:
    names = sorted({sample.contestant for sample in samples})
    return [OURS, *(name for name in names if name != OURS)] if OURS in names else names


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
