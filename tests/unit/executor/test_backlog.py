"""How often the backlog is measured: so that it never takes more than its share of the time."""

from datetime import UTC, datetime

from executor.application.backlog import Backlog


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def boottime(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


async def test_a_measurement_that_took_long_is_not_repeated_soon() -> None:
    clock, measured = Clock(), []

    async def measure(*, every_seconds: float, at: datetime) -> None:
        measured.append(clock.at)
        await clock.sleep(2.0)

    backlog = Backlog(measure, clock)
    for _ in range(300):
        await backlog.measure()
        await clock.sleep(2.0)
    assert measured == [0.0, 402.0]
