"""Let go of what has been kept long enough, a few rows at a time. Knows no table, only steps that each take some."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog

from kernel.clock import Clock
from kernel.errors import Failure

A_STEP = 500
_EVERY_SECONDS = 3600.0
_RESTS = 9  # times as long as a step took, so that it never has more than a tenth of the time
_log = structlog.get_logger("retention")

Step = Callable[[datetime], Awaitable[bool]]
"""Lets go of at most `A_STEP` rows from before a moment, in one commit, and tells whether there may be more."""


async def let_go(stop: asyncio.Event, *, steps: Mapping[str, Step], keep: timedelta, clock: Clock) -> None:
    """Take all steps until nothing older than `keep` is left, once an hour, until `stop`. Several may run this."""
    while not stop.is_set():
        for name, step in steps.items():
            try:
                await _all_of(step, clock.now() - keep, stop, clock)
            except Failure as failure:
                _log.warning("retention.failed", step=name, reason=failure.reason)
        await _rest(stop, _EVERY_SECONDS)


async def _all_of(step: Step, before: datetime, stop: asyncio.Event, clock: Clock) -> None:
    began = clock.boottime()
    while not stop.is_set() and await step(before):
        await _rest(stop, _RESTS * (clock.boottime() - began))
        began = clock.boottime()


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
