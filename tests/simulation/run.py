"""Run many seeds on all processors and add up what came of them. Knows no protocol."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.mutants import MUTANTS
from tests.simulation.world import Run, simulate

PROCESSORS = 2
KINDS = (
    "clock stepped",
    "control killed",
    "control not notified",
    "control stalled",
    "control unlinked",
    "database connections broken",
    "database read-only",
    "database reads slow",
    "database restarted",
    "database slow",
    "executor killed",
    "executor stalled",
    "executor stopped",
    "network cut",
    "network half cut",
    "network slow",
    "network watch lost",
    "store restarted",
    "store slow",
)


@dataclass(slots=True, kw_only=True)
class Report:
    """What seeds came to together."""

    seeds: int = 0
    virtual_seconds: float = 0.0
    wall_seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, list[str]] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def add(self, run: Run, seconds: float) -> None:
        self.seeds += 1
        self.virtual_seconds += seconds
        self.counts.update(run.findings.counts)
        self.faults.update(run.faults)
        self.latencies += run.findings.latencies
        wrong = [*run.findings.violations, *(f"error: {error}" for error in run.errors)]
        if wrong:
            self.violations[run.seed], self.digests[run.seed] = wrong, run.digest

    def emptiness(self) -> list[str]:
        """Return what never happened although the proof needs it."""
        needed = ("pauses", "counted", "sends", "resumptions judged", "others judged", "fast fences")
        missing = [what for what in needed if not self.counts[what]]
        return missing + [kind for kind in KINDS if not self.faults[kind]]

    def latency(self, share: float) -> float:
        """Return the fence latency that `share` of the pauses did not exceed, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    def lines(self) -> Iterator[str]:
        """Say it to a reader."""
        counts = self.counts
        yield (
            f"{self.seeds} seeds, {self.virtual_seconds:.0f} virtual seconds in {self.wall_seconds:.0f} s: "
            f"{counts['pauses']} pauses ({counts['counted']} counted, {counts['fast fences']} fenced before W), "
            f"{counts['sends']} sends, {sum(self.faults.values())} faults; "
            f"{sum(map(len, self.violations.values()))} violations"
        )
        for seed, wrong in sorted(self.violations.items()):
            yield f"seed {seed} (digest {self.digests[seed]}): {wrong[0]}" + (" …" if len(wrong) > 1 else "")

    def summary(self) -> dict[str, object]:
        """Return it for a file."""
        return {
            "seeds": self.seeds,
            "virtual_seconds": self.virtual_seconds,
            "wall_seconds": round(self.wall_seconds, 1),
            "counts": dict(self.counts),
            "faults": dict(sorted(self.faults.items())),
            "violations": self.violations,
            "fence_seconds": {f"p{share}": round(self.latency(share / 100), 4) for share in (50, 90, 99, 100)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """How many seeds it took to catch a mutant; none if the budget did not do."""

    mutant: str
    budget: int
    after: int | None
    seed: int | None = None
    violation: str = ""


def run_seeds(seeds: Sequence[int], seconds: float) -> Report:
    """Run `seeds` of the real protocol on all processors."""
    report, began = Report(), time.monotonic()
    with _pool() as pool:
        for run in pool.map(partial(simulate, seconds=seconds), seeds, chunksize=4):
            report.add(run, seconds)
    report.wall_seconds = time.monotonic() - began
    return report


def hunt(mutant: str, seeds: Iterable[int], seconds: float, budget: int) -> Caught:
    """Run a mutant until it breaks the contract (K1: a send begins inside a fence), for at most `budget` seeds."""
    for after, seed in zip(range(1, budget + 1), seeds, strict=False):
        broken = [one for one in simulate(seed, seconds, MUTANTS[mutant]).findings.violations if one.startswith("K1")]
        if broken:
            return Caught(mutant=mutant, budget=budget, after=after, seed=seed, violation=broken[0])
    return Caught(mutant=mutant, budget=budget, after=None)


def hunt_all(seeds: Sequence[int], seconds: float, budget: int) -> list[Caught]:
    """Hunt every mutant on all processors."""
    with _pool() as pool:
        return list(pool.map(partial(hunt, seeds=seeds, seconds=seconds, budget=budget), MUTANTS))


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(PROCESSORS, mp_context=multiprocessing.get_context("spawn"))
