"""How fast a fence stands where all is well: 1,000 sends a second, three executors, 100 pauses. Breaks nothing.

What is sent was submitted before; a proxy would cost more than what is measured, so there is none.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.admin import Target, administering
from tests.faults.load import Lane, boottime, loaded
from tests.faults.run import sending
from tests.faults.system import running

_PAUSES = 100
_WARM_SECONDS = 5.0
_BETWEEN_SECONDS = 0.3
_GAP_SECONDS = 0.0027
_MESSAGES = 25_000
_PAUSED = Target(organization="alpha", campaign="autumn")
_LANES = (
    Lane(organization="alpha", instance="alpha-1", campaign="autumn"),
    Lane(organization="alpha", instance="alpha-2", campaign="winter"),
    Lane(organization="alpha", instance="alpha-3", campaign="summer"),
)


async def measure(folder: Path, keep: Callable[[dict[str, Any]], None]) -> None:
    """Pause and resume one campaign again and again while others go on; the provider does nothing."""
    extra = {"WHATLEAD_PROVIDER_OVERRIDE": "noop"}
    async with (
        running(folder, proxied=False, extra=extra) as testbed,
        loaded(testbed, _LANES, gap=_GAP_SECONDS, ahead=0) as load,
        administering(testbed, _PAUSED.organization) as admin,
    ):
        everything = await admin.pause(Target(organization=_PAUSED.organization))
        await asyncio.gather(*(load.submit(lane, _MESSAGES) for lane in _LANES))
        await admin.resume(everything)
        await asyncio.sleep(_WARM_SECONDS)
        assert await sending(load, _PAUSED)
        began_at, before, fences = boottime(), len(load.sends.all), []
        for _ in range(_PAUSES):
            fences.append(await admin.pause(_PAUSED))
            await admin.resume(fences[-1])
            await asyncio.sleep(_BETWEEN_SECONDS)
            await sending(load, _PAUSED)
        keep(
            {
                "executors": len(testbed.executors),
                "sends_per_second": (len(load.sends.all) - before) / (boottime() - began_at),
                "fence_from_request": [fence.answered_at - fence.asked_at for fence in fences],
                "fence_from_commit": [fence.fenced_at - fence.committed_at for fence in fences],
            }
        )
