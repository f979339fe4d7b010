"""Listen to control's changes: revoke and acknowledge pauses, and keep what is known of them up to date. Knows no job.

A pause is revoked in the same step that hears of it, and acknowledged only after that. The rest is a hint: it saves
questions about what is paused and says at once when something may go on.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog

from executor.application.ports import Heartbeat, PauseBegan, PauseEnded, Snapshot, Told, Watch
from executor.application.session import Session
from executor.application.signals import Wake
from executor.domain.pauses import KnownPauses, Pause
from executor.domain.revocations import Revocations
from kernel.clock import Clock
from kernel.errors import Failure

_FIRST_BACKOFF = 0.05
_LONGEST_BACKOFF = 2.0
FIRST_SECONDS = 3.0  # a replica that says nothing at all is left for the next one
SILENCE_SECONDS = 11.0  # two heartbeats

log = structlog.get_logger("executor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Those who are told of pauses."""

    revocations: Revocations
    pauses: KnownPauses
    session: Session
    wake: Wake
    clock: Clock

    def note(self, told: Told) -> None:
        """Pass on what control said, within one step of the event loop."""
        match told:
            case Snapshot():
                self._obey(told.pauses)
                self.pauses.snapshot(told.pauses)
                self.wake.ring()
            case PauseBegan():
                self._obey((told.pause,))
                self.pauses.began(told.pause)
            case PauseEnded():
                self.session.settled(told.control_id)
                self.pauses.ended(told.control_id)
                self.wake.ring()
            case Heartbeat():
                return
            case _:
                assert_never(told)

    def _obey(self, pauses: Sequence[Pause]) -> None:
        self.revocations.revoke(pauses, self.clock.boottime())
        for pause in pauses:
            if pause.pausing:
                self.session.acknowledge(pause.control_id)
            else:
                self.session.settled(pause.control_id)


async def watch_pauses(stop: asyncio.Event, *, control: Watch, hearing: Hearing, chance: Callable[[], float]) -> None:
    """Listen until `stop`; a broken stream is opened again, with backoff."""
    stopping = asyncio.create_task(stop.wait(), name="watch.stop")
    backoff = _FIRST_BACKOFF
    try:
        while not stop.is_set():
            listening = asyncio.create_task(_listen(control, hearing), name="watch.listen")
            await asyncio.wait([listening, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                listening.cancel()
                await asyncio.wait([listening])
                return
            heard = listening.result()
            hearing.pauses.lost()
            hearing.wake.ring()
            backoff = _FIRST_BACKOFF if heard else min(backoff * 2, _LONGEST_BACKOFF)
            sleeping = asyncio.create_task(hearing.clock.sleep(backoff * (0.5 + chance())))
            await asyncio.wait([sleeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
    finally:
        stopping.cancel()


async def _listen(control: Watch, hearing: Hearing) -> bool:
    """Follow one stream to its end; return whether it said anything."""
    heard = False
    try:
        stream = control.watch().__aiter__()
        while True:
            async with asyncio.timeout(SILENCE_SECONDS if heard else FIRST_SECONDS):
                told = await anext(stream)
            heard = True
            hearing.note(told)
    except StopAsyncIteration:
        return heard
    except (Failure, TimeoutError) as error:
        log.warning("executor.watch_broken", error=str(error) or type(error).__name__)
        return heard
