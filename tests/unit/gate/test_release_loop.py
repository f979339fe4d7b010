"""The loop frees a share only between two full turns of the organizations, and loses no wake."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from gate.application.release import Released
from gate.application.release_loop import ReleaseLoop
from kernel.clock import SystemClock
from kernel.errors import Failure, Kind

QUIET = Released(after="", more=False, control_down=False)


class Nothing:
    """Nothing comes due by itself."""

    async def next_due(self) -> datetime | None:
        return None


async def run(
    release: Callable[[str], Awaitable[Released]], unpark: Callable[[ReleaseLoop], Awaitable[float]], steps: list[str]
) -> None:
    """Run the loop until three shares were freed."""
    stop = asyncio.Event()

    async def unparked() -> float:
        steps.append("unpark")
        if steps.count("unpark") == 3:
            stop.set()
        return await unpark(loop)

    async def released(after: str) -> Released:
        steps.append(f"release {after}".strip())
        return await release(after)

    waiting: Any = Nothing()
    loop = ReleaseLoop(
        release=released, unpark=unparked, waiting=waiting, clock=SystemClock(), report=lambda failure: None
    )
    async with asyncio.timeout(5):
        await loop.run(stop)


async def test_every_organization_has_its_turn_before_more_is_freed() -> None:
    turns = {"": "b", "b": "d", "d": ""}

    async def release(after: str) -> Released:
        return Released(after=turns[after], more=True, control_down=False)

    async def unpark(loop: ReleaseLoop) -> float:
        return 0.0

    steps: list[str] = []
    await run(release, unpark, steps)
    assert steps[:8] == ["unpark", "release", "release b", "release d"] * 2


async def test_a_resume_that_comes_while_a_share_is_freed_is_not_forgotten() -> None:
    async def release(after: str) -> Released:
        return QUIET

    async def unpark(loop: ReleaseLoop) -> float:
        loop.wake(None)
        return 30.0

    steps: list[str] = []
    await run(release, unpark, steps)
    assert steps.count("unpark") == 3


async def test_a_share_that_could_not_be_freed_is_tried_again_soon() -> None:
    async def release(after: str) -> Released:
        return QUIET

    async def unpark(loop: ReleaseLoop) -> float:
        raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")

    steps: list[str] = []
    await run(release, unpark, steps)
    assert steps == ["unpark"] * 3
