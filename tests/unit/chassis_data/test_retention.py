"""What is old is let go of step by step; a step that fails holds up no other, and a stop ends it between two steps."""

import asyncio
from datetime import UTC, datetime, timedelta

from chassis.retention import let_go
from kernel.errors import Failure, Kind

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return NOW

    def boottime(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        return


async def test_each_step_is_taken_until_nothing_is_left_and_a_failing_one_holds_up_no_other() -> None:
    left = {"many": 3, "few": 1}
    asked: list[datetime] = []
    stop = asyncio.Event()

    async def many(before: datetime) -> bool:
        asked.append(before)
        left["many"] -= 1
        return left["many"] > 0

    async def away(before: datetime) -> bool:
        raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")

    async def few(before: datetime) -> bool:
        left["few"] -= 1
        stop.set()
        return False

    steps = {"many": many, "away": away, "few": few}
    async with asyncio.timeout(10):
        await let_go(stop, steps=steps, keep=timedelta(days=90), clock=Clock())
    assert left == {"many": 0, "few": 0}
    assert asked == [NOW - timedelta(days=90)] * 3


async def test_a_stop_ends_it_however_much_is_left() -> None:
    stop = asyncio.Event()
    taken = 0

    async def endless(before: datetime) -> bool:
        nonlocal taken
        taken += 1
        if taken == 5:
            stop.set()
        return True

    async with asyncio.timeout(10):
        await let_go(stop, steps={"endless": endless}, keep=timedelta(days=90), clock=Clock())
    assert taken == 5
