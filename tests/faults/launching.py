"""What both launchers share: a wall clock that steps on SIGUSR1, and what the environment says. Knows no service."""

import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import cycle

from kernel.clock import SystemClock

_STEPS = (timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=-3), timedelta(0))


class SteppingClock(SystemClock):
    """The machine's clocks; the wall clock steps at each SIGUSR1. `reading` is the last one of the boot-time clock."""

    def __init__(self) -> None:
        self.reading = 0.0
        self._offset = timedelta(0)
        self._steps: Iterator[timedelta] = cycle(_STEPS)
        signal.signal(signal.SIGUSR1, self._step)

    def now(self) -> datetime:
        return super().now() + self._offset

    def boottime(self) -> float:
        self.reading = super().boottime()
        return self.reading

    def _step(self, number: int, frame: object) -> None:
        self._offset = next(self._steps)


def mutant() -> str:
    """Return the mutant that the process is to be; none for the product as it is."""
    return os.environ.get("FAULTS_MUTANT", "")


def is_deaf() -> bool:
    """Tell whether the executor hears of no pause that begins, as if its stream were held up then."""
    return os.environ.get("FAULTS_DEAF", "") == "1"
