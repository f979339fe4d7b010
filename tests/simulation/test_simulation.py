"""Hundreds of pauses among faults, on the code that runs in production: none leaks, and mutants do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.simulation.mutants import MUTANTS, RARE
from tests.simulation.run import Report, hunt
from tests.simulation.world import simulate

ROOT = Path(__file__).parents[2]
SECONDS = 16.0
WALL_SECONDS = 30.0
LEAST_SEEDS = 25
MOST_SEEDS = 200
BUDGET = 60
HALVES = 2


@pytest.mark.parametrize(
    "half", [pytest.param(half, marks=pytest.mark.xdist_group(f"simulation-{half}")) for half in range(HALVES)]
)
@pytest.mark.timeout(600)
def test_no_send_begins_inside_a_fence(half: int, record_property: Callable[[str, object], None]) -> None:
    report, began = Report(), time.monotonic()
    for seed in range(1 + half, 1 + MOST_SEEDS * HALVES, HALVES):
        report.add(simulate(seed, SECONDS), SECONDS)
        report.wall_seconds = time.monotonic() - began
        if report.seeds >= LEAST_SEEDS and report.wall_seconds > WALL_SECONDS and not report.emptiness():
            break
    record_property("told", next(report.lines()))
    assert not report.violations, "\n".join(report.lines())
    assert not report.emptiness()


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(f"simulation-{place % HALVES}"), id=name)
        for place, name in enumerate(sorted({*MUTANTS} - {*RARE}))
    ],
)
@pytest.mark.timeout(600)
def test_a_mutant_is_caught(mutant: str, record_property: Callable[[str, object], None]) -> None:
    caught = hunt(mutant, range(1, BUDGET + 1), SECONDS, BUDGET)
    assert caught.after is not None, f"{mutant} was not caught within {BUDGET} seeds"
    record_property("told", f"{mutant}: caught after {caught.after} of at most {BUDGET} seeds")


def test_a_seed_replays_identically_in_another_interpreter() -> None:
    replays = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "3", "--seconds", "12"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert "digest" in replays[0]
    assert replays[0] == replays[1]
