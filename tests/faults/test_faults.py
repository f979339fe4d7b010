"""The kill switch holds on real processes under faults, and the checker that says so catches broken protocols.

What depends on how busy the machine is (K2, K4) is judged by `make faults`, which has the machine for itself.
"""

from pathlib import Path

import pytest
from tests.faults import trials
from tests.faults.checker import judge
from tests.faults.run import observe

PAUSES = 5

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.timeout(300)]


async def test_pauses_hold_under_faults(tmp_path: Path) -> None:
    seen = await observe(tmp_path, seed=1, enough=lambda pauses: len(pauses) >= PAUSES, seconds=60)
    verdict = judge(seen)
    assert not verdict.violations["K1"]
    assert not verdict.violations["K5"]
    assert verdict.counted, "there was nothing to stop"
    assert seen.faults, "nothing was broken"


async def test_broken_protocols_are_caught(tmp_path: Path) -> None:
    async with trials.benched(tmp_path) as bench:
        for trial in trials.QUICK:
            result = await bench.run(trial)
            assert result.caught, result
