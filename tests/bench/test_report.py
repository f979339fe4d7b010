"""Ratios are taken within a run, ranges over the runs; a slow provider and memory have tables of their own."""

from rich.console import Console
from tests.bench import report
from tests.bench.report import OURS
from tests.bench.samples import Measure, Sample

PEER = "queue"


def sample(contestant: str, measure: Measure, run: int, value: float, **parts: float) -> Sample:
    return Sample(contestant=contestant, measure=measure, value=value, run=run, parts=parts)


RUNS = [
    sample(OURS, Measure.BULK, 1, 100),
    sample(PEER, Measure.BULK, 1, 400),
    sample(PEER, Measure.BULK, 2, 200),
    sample(OURS, Measure.BULK, 2, 200),
    sample(OURS, Measure.BULK, 3, 300),  # the peer's third run was not measured
    sample(OURS, Measure.DELAYED, 1, 70),
    sample(PEER, Measure.DELAYED, 1, 140),
    sample(OURS, Measure.MEMORY, 1, 300, gate=100, executor=200),
    sample(OURS, Measure.MEMORY, 2, 320, gate=110, executor=210),
]


def shown(samples: list[Sample]) -> list[str]:
    """Return each table as text."""
    console = Console(width=160)
    texts = []
    for table in report.tables(samples, 3):
        with console.capture() as captured:
            console.print(table)
        texts.append(captured.get())
    return texts


def test_a_ratio_is_taken_within_each_run_that_has_both() -> None:
    ratio = report.ratio(RUNS, Measure.BULK, PEER)
    assert ratio is not None
    assert ratio.values == (0.25, 1.0)


def test_what_only_one_has_measured_and_what_others_took_have_no_ratio() -> None:
    others = [sample(name, Measure.OTHERS, 1, 0.5) for name in (OURS, PEER)]
    assert report.ratio(RUNS, Measure.MEMORY, PEER) is None
    assert report.ratio(others, Measure.OTHERS, PEER) is None


def test_median_and_range_are_over_the_runs() -> None:
    figures = report.data(RUNS)["figures"]
    assert isinstance(figures, dict)
    assert figures["bulk"][OURS] == {"median": 200, "min": 100, "max": 300, "values": [100, 200, 300]}


def test_a_slow_provider_has_a_table_of_its_own_with_its_ratio() -> None:
    usual, slow, _ = shown(RUNS)
    assert Measure.DELAYED not in usual
    assert Measure.BULK in usual
    assert "1,600/s at most" in slow
    assert [cell.strip() for cell in slow.strip().splitlines()[-1].split("|")[1:-1]] == [
        Measure.DELAYED,
        "70",
        "140",
        "0.5",
    ]


def test_memory_is_shown_and_written_by_process() -> None:
    assert "gate 105 · executor 205" in shown(RUNS)[-1]
    assert report.data(RUNS)["megabytes_by_process"] == {OURS: {"gate": 105, "executor": 205}}
