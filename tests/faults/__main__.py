"""`make faults`: 500 counted pauses under faults, every mutant, and the latency of a healthy fence, in parts.

Each part ends within 10 minutes and leaves build/faults/<part>.json; run again, it goes on where it stopped. What parts
of this commit have shown is then written into docs/kill-switch.md.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvloop
from tests.bench.machine import commit, machine
from tests.faults import latency, report, trials
from tests.faults.checker import Pause, Seen, Verdict, judge
from tests.faults.load import boottime
from tests.faults.run import observe

_ROOT = Path(__file__).parents[2]
_RESULTS = _ROOT / "build" / "faults"
_PAUSES = 500
_PAUSES_A_PART = 125
_SECONDS_A_PART = 420.0
_SECONDS_OF_TRIALS = 300.0  # what is left goes into another part


class Results:
    """What was found so far at this commit."""

    def __init__(self) -> None:
        _RESULTS.mkdir(parents=True, exist_ok=True)
        self.commit = commit(_ROOT).rstrip("+")

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the results whose names begin with `name`."""
        return report.read(_RESULTS, name, self.commit)

    def keep(self, name: str, found: dict[str, Any]) -> None:
        """Write a result down."""
        described = machine()
        about = {"commit": self.commit, "machine": f"{described['cores']} cores ({described['processor']})"}
        (_RESULTS / f"{name}.json").write_text(json.dumps({**about, **found}, indent=1) + "\n")


async def pauses(results: Results, number: int) -> None:
    """Run one part of the pauses."""

    def enough(seen: Sequence[Pause]) -> bool:
        return len(seen) >= _PAUSES_A_PART

    began_at = boottime()
    seen = await observe(_RESULTS / "system", seed=number, enough=enough, seconds=_SECONDS_A_PART)
    found = _summary(seen, judge(seen), boottime() - began_at)
    results.keep(f"part-{number:02d}", found)
    _say(f"part {number}: {found['counted']} of {found['pauses']} pauses count; violations: {found['violations']}")


def _summary(seen: Seen, verdict: Verdict, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "pauses": len(seen.pauses),
        "counted": verdict.counted,
        "sends": len(seen.sends),
        "calm_rate": sum(seen.calm_rates.values()),
        "violations": verdict.violations,
        "resumes_judged": verdict.resumes_judged,
        "resume_seconds": verdict.resume_seconds,
        "others_judged": verdict.others_judged,
        "others_share": verdict.others_share,
        "late_arrivals": verdict.late_arrivals,
        "fence_from_request": [pause.answered_at - pause.asked_at for pause in seen.pauses],
        "fence_from_commit": [pause.fenced_at - pause.committed_at for pause in seen.pauses],
        "retried": sum(pause.tries > 1 for pause in seen.pauses),
        "faults": Counter(fault.kind for fault in seen.faults),
    }


async def mutants(results: Results) -> None:
    """Try every mutant that was not tried yet, and the product under the same faults."""
    tried = {trial["mutant"] for trial in results.of("mutant-")}
    ends_at = boottime() + _SECONDS_OF_TRIALS
    async with trials.benched(_RESULTS / "system") as bench:
        for trial in trials.TRIALS:
            if trial.mutant not in tried and boottime() < ends_at:
                broken, product = await bench.run(trial), await bench.run(trial, mutated=False)
                results.keep(f"mutant-{trial.mutant}", {**asdict(broken), "product": asdict(product)})
                _say(f"{broken}; the product: {product}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _run(part: Callable[[], Awaitable[None]]) -> None:
    shutil.rmtree(_RESULTS / "system", ignore_errors=True)
    uvloop.run(asyncio.wait_for(part(), 600))


def main() -> int:
    """Run what is missing, then write the report; the status is 1 if something did not hold."""
    argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__).parse_args()
    results = Results()
    if not results.of("latency"):
        _run(lambda: latency.measure(_RESULTS / "system", lambda found: results.keep("latency", found)))
    while len(results.of("mutant-")) < len(trials.TRIALS):
        _run(lambda: mutants(results))
    while sum(part["counted"] for part in results.of("part-")) < _PAUSES:
        _run(lambda: pauses(results, len(results.of("part-")) + 1))
    parts, tried = results.of("part-"), results.of("mutant-")
    held = not any(found for part in parts for found in part["violations"].values())
    report.write(_ROOT / "docs" / "kill-switch.md", report.block(parts, tried, results.of("latency")[0]))
    caught = all(trial["caught"] for trial in tried)
    return 0 if held and caught and not any(trial["product"]["inside"] for trial in tried) else 1


if __name__ == "__main__":
    sys.exit(main())
