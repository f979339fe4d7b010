"""Listen to control's changes and keep what is known of pauses up to date. Knows no job.

The watch is a hint: it saves questions about what is paused and says at once when something may go on.
"""

import asyncio
from collections.abc import Callable
from typing import assert_never

import structlog

from executor.application.ports import Heartbeat, PauseBegan, PauseEnded, Snapshot, Told, Watch
from executor.application.signals import Wake
from executor.domain.pauses import KnownPauses
from kernel.clock import Clock
from kernel.errors import Failure

_FIRST_BACKOFF = 0.05
_LONGEST_BACKOFF = 2.0
SILENCE_SECONDS = 15.0

log = structlog.get_logger("executor")


async def watch_pauses(
    stop: asyncio.Event,
    *,
    control: Watch,
    pauses: KnownPauses,
    wake: Wake,
    clock: Clock,
    chance: Callable[[], float],
) -> None:
    """Keep `pauses` up to date until `stop`; a broken stream is opened again, with backoff."""
    stopping = asyncio.create_task(stop.wait(), name="watch.stop")
    backoff = _FIRST_BACKOFF
    try:
        while not stop.is_set():
            listening = asyncio.create_task(_listen(control, pauses, wake), name="watch.listen")
            await asyncio.wait([listening, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                listening.cancel()
                await asyncio.wait([listening])
                return
            heard = listening.result()
            pauses.lost()
            wake.ring()
            backoff = _FIRST_BACKOFF if heard else min(backoff * 2, _LONGEST_BACKOFF)
            sleeping = asyncio.create_task(clock.sleep(backoff * (0.5 + chance())))
            await asyncio.wait([sleeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
    finally:
        stopping.cancel()


async def _listen(control: Watch, pauses: KnownPauses, wake: Wake) -> bool:
    """Follow one stream to its end; return whether it said anything."""
    heard = False
    try:
        stream = control.watch().__aiter__()
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                told = await anext(stream)
            heard = True
            _note(told, pauses, wake)
    except StopAsyncIteration:
        return heard
    except (Failure, TimeoutError) as error:
        log.warning("executor.watch_broken", error=str(error) or type(error).__name__)
        return heard


def _note(told: Told, pauses: KnownPauses, wake: Wake) -> None:
    match told:
        case Snapshot():
            pauses.snapshot(told.pauses)
            wake.ring()
        case PauseBegan():
            pauses.began(told.pause)
        case PauseEnded():
            pauses.ended(told.control_id)
            wake.ring()
        case Heartbeat():
            return
        case _:
            assert_never(told)
