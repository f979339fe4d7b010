"""`python -m tests.simulation`: the long run with all mutants, or one seed again."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import hunt_all, run_seeds
from tests.simulation.world import simulate

SECONDS = 60.0
SEEDS = 500
BUDGET = 150


def main(argv: Sequence[str]) -> int:
    """Return 0 if nothing was violated and every mutant was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="with --seed: replay it on a mutant")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="virtual seconds a seed (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds (default: %(default)s)")
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything that happened")
    asked = parser.parse_args(argv)
    if asked.seed is not None:
        return _replay(asked.seed, asked.seconds, asked.mutant, trace=asked.trace)
    return _prove(asked.seeds, asked.seconds)


def _replay(seed: int, seconds: float, mutant: str | None, *, trace: bool) -> int:
    run = simulate(seed, seconds, MUTANTS[mutant] if mutant else None, keep_trace=trace)
    sys.stdout.writelines(run.lines or ())
    for line in (*run.findings.violations, *run.errors):
        _say(line)
    counts = run.findings.counts
    _say(f"seed {seed}: {counts['pauses']} pauses, {counts['sends']} sends, digest {run.digest}")
    return 1 if run.findings.violations or run.errors else 0


def _prove(seeds: int, seconds: float) -> int:
    report = run_seeds(range(1, seeds + 1), seconds)
    for line in report.lines():
        _say(line)
    empty = report.emptiness()
    if empty:
        _say(f"never happened: {', '.join(empty)}")
    shares = ", ".join(f"p{share} {report.latency(share / 100):.3f} s" for share in (50, 90, 99, 100))
    _say(f"from a pause's commit to its fence: {shares}")
    _say(f"{'mutant':40}{'caught after':>14}  of at most {BUDGET} seeds")
    caught = hunt_all(range(1, BUDGET + 1), seconds, BUDGET)
    for one in caught:
        _say(f"{one.mutant:40}{one.after or 'MISSED':>14}  {one.violation}")
    path = Path("build/sim.json")
    path.parent.mkdir(exist_ok=True)
    found = report.summary() | {"seconds_a_seed": seconds, "mutants": [asdict(one) for one in caught]}
    path.write_text(json.dumps(found, indent=2) + "\n")
    _say(f"written to {path}")
    return 1 if report.violations or empty or any(one.after is None for one in caught) else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
