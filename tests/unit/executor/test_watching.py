"""The watch loop: what is known of pauses follows the stream, and a broken stream is opened again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from executor.application.ports import PauseBegan, PauseEnded, Snapshot, Told
from executor.application.signals import Wake
from executor.application.watching import Hearing, watch_pauses
from executor.domain.job import Scope
from executor.domain.pauses import KnownPauses, Pause, PauseScope
from executor.domain.revocations import Revocations
from kernel.clock import SystemClock
from kernel.errors import Failure, Kind
from kernel.ids import uuid7

SCOPE = Scope("demo", "inst-1", "welcome")
PAUSE = Pause(
    control_id=uuid7(), scope=PauseScope.CAMPAIGN, organization_id="demo", target="welcome", version=5, pausing=True
)


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


class Owed:
    """Stands for the session: what it was asked to acknowledge, and whether that was revoked by then."""

    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations
        self.acknowledged: dict[UUID, bool] = {}

    def acknowledge(self, control_id: UUID) -> None:
        revoked = self._revocations.revoked(SCOPE, control_version=PAUSE.version - 1, platform_version=0)
        self.acknowledged[control_id] = revoked

    def settled(self, control_id: UUID) -> None:
        self.acknowledged.pop(control_id, None)


async def run(streams: Streams, pauses: KnownPauses, messages: int) -> tuple[Revocations, Owed]:
    stop, revocations = asyncio.Event(), Revocations()
    owed = Owed(revocations)
    hearing = Hearing(
        revocations=revocations,
        pauses=pauses,
        session=owed,  # type: ignore[arg-type]
        wake=Wake(),
        clock=SystemClock(),
    )
    watching = asyncio.create_task(watch_pauses(stop, control=streams, hearing=hearing, chance=lambda: 0.0))
    for _ in range(messages):
        async with asyncio.timeout(5):
            await streams.told.get()
    stop.set()
    await watching
    return revocations, owed


async def test_pauses_come_and_go() -> None:
    pauses = KnownPauses()
    await run(Streams([Snapshot(pauses=()), PauseBegan(pause=PAUSE)]), pauses, 2)
    assert pauses.covers(SCOPE)
    pauses = KnownPauses()
    script = [Snapshot(pauses=(PAUSE,)), PauseEnded(control_id=PAUSE.control_id)]
    await run(Streams(script), pauses, 2)
    assert not pauses.covers(SCOPE)
    assert pauses.release_due


async def test_a_broken_stream_is_opened_again_and_its_snapshot_counts() -> None:
    pauses = KnownPauses()
    broken = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away")
    streams = Streams([Snapshot(pauses=(PAUSE,)), broken], [broken], [Snapshot(pauses=())])
    await run(streams, pauses, 2)
    assert streams.opened == 3
    assert not pauses.covers(SCOPE)


@pytest.mark.parametrize("first", [Snapshot(pauses=(PAUSE,)), PauseBegan(pause=PAUSE)], ids=["snapshot", "change"])
async def test_a_pause_is_revoked_before_it_is_acknowledged(first: Told) -> None:
    _, owed = await run(Streams([first]), KnownPauses(), 1)
    assert owed.acknowledged == {PAUSE.control_id: True}


@pytest.mark.parametrize(
    "last", [PauseBegan(pause=replace(PAUSE, pausing=False, version=6)), PauseEnded(control_id=PAUSE.control_id)]
)
async def test_a_pause_that_is_fenced_or_over_is_acknowledged_no_more(last: Told) -> None:
    _, owed = await run(Streams([PauseBegan(pause=PAUSE), last]), KnownPauses(), 2)
    assert not owed.acknowledged


async def test_what_was_revoked_stays_so_when_the_stream_breaks_and_when_the_pause_ends() -> None:
    broken = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away")
    streams = Streams([PauseBegan(pause=PAUSE), PauseEnded(control_id=PAUSE.control_id), broken], [Snapshot(pauses=())])
    revocations, _ = await run(streams, KnownPauses(), 3)
    assert revocations.revoked(SCOPE, control_version=PAUSE.version - 1, platform_version=0)
    assert not revocations.revoked(SCOPE, control_version=PAUSE.version + 1, platform_version=0)
