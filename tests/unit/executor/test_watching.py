"""The watch loop: what is known of pauses follows the stream, and a broken stream is opened again."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from executor.application.ports import PauseBegan, PauseEnded, Snapshot, Told
from executor.application.signals import Wake
from executor.application.watching import watch_pauses
from executor.domain.job import Scope
from executor.domain.pauses import KnownPauses, Pause, PauseScope
from kernel.clock import SystemClock
from kernel.errors import Failure, Kind
from kernel.ids import uuid7

SCOPE = Scope("demo", "inst-1", "welcome")
PAUSE = Pause(control_id=uuid7(), scope=PauseScope.CAMPAIGN, organization_id="demo", target="welcome")


class Streams:
    """Plays one script a connection; between messages it waits to be let on."""

    def __init__(self, *scripts: Sequence[Told | Exception]) -> None:
        self._scripts = list(scripts)
        self.opened = 0
        self.told: asyncio.Queue[None] = asyncio.Queue()

    async def watch(self) -> AsyncIterator[Told]:
        self.opened += 1
        for told in self._scripts.pop(0) if self._scripts else ():
            if isinstance(told, Exception):
                raise told
            yield told
            self.told.put_nowait(None)
        await asyncio.Event().wait()


async def run(streams: Streams, pauses: KnownPauses, wake: Wake, messages: int) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(
        watch_pauses(stop, control=streams, pauses=pauses, wake=wake, clock=SystemClock(), chance=lambda: 0.0)
    )
    for _ in range(messages):
        async with asyncio.timeout(5):
            await streams.told.get()
    stop.set()
    await watching


async def test_pauses_come_and_go() -> None:
    pauses = KnownPauses()
    await run(Streams([Snapshot(pauses=()), PauseBegan(pause=PAUSE)]), pauses, Wake(), 2)
    assert pauses.covers(SCOPE)
    pauses = KnownPauses()
    script = [Snapshot(pauses=(PAUSE,)), PauseEnded(control_id=PAUSE.control_id)]
    await run(Streams(script), pauses, Wake(), 2)
    assert not pauses.covers(SCOPE)
    assert pauses.release_due


async def test_a_broken_stream_is_opened_again_and_its_snapshot_counts() -> None:
    pauses = KnownPauses()
    broken = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away")
    streams = Streams([Snapshot(pauses=(PAUSE,)), broken], [broken], [Snapshot(pauses=())])
    await run(streams, pauses, Wake(), 2)
    assert streams.opened == 3
    assert not pauses.covers(SCOPE)
