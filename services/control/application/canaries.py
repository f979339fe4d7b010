"""The loop that judges canaries: by what the executors count, it passes them on to a ramp or pauses their scope again.

Every replica runs it: whoever finds the canary still running, under its organization's version, decides. How long one
is watched counts on a replica's own boot-time clock from when it first saw all outcomes; a restart only costs time.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

from control.application.ports import Canaries, CanaryCounts, Changes, Fences
from control.application.waiting import wait_for_any
from control.domain.pause import Order, Pause, Source
from control.domain.resumption import CanaryCount
from kernel.clock import Clock
from kernel.errors import Failure
from kernel.ids import ControlId

CONTROL = "control"
_POLL_SECONDS = 0.5
_LOOK_SECONDS = 5.0


class CanaryLoop:
    """Judges the canaries that run."""

    def __init__(
        self,
        *,
        changes: Changes,
        canaries: Canaries,
        counts: CanaryCounts,
        fences: Fences,
        new_id: Callable[[], UUID],
        clock: Clock,
        hint: asyncio.Event,
        committed: Callable[[], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self._changes = changes
        self._canaries = canaries
        self._counts = counts
        self._fences = fences
        self._new_id = new_id
        self._clock = clock
        self._hint = hint
        self._committed = committed
        self._failed = failed
        self._complete_since: dict[ControlId, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Judge until `stop`, twice a second while a canary runs. One whose count is not to be had goes on."""
        while not stop.is_set():
            self._hint.clear()
            running: list[Pause] = []
            try:
                running += await self._canaries.running()
            except Failure as failure:
                self._failed(failure)
            self._complete_since = {
                pause.control_id: self._complete_since[pause.control_id]
                for pause in running
                if pause.control_id in self._complete_since
            }
            for pause in running:
                if stop.is_set():
                    return
                try:
                    await self._judge(pause)
                except Failure as failure:
                    self._failed(failure)
            if running:
                await wait_for_any(stop, clock=self._clock, seconds=_POLL_SECONDS)
            else:
                await wait_for_any(stop, self._hint, clock=self._clock, seconds=_LOOK_SECONDS)

    async def _judge(self, pause: Pause) -> None:
        if pause.resumption is None or (canary := pause.resumption.canary) is None:
            return
        count = await self._counts.count(pause.control_id)
        now = self._clock.boottime()
        if canary.has_failed(count):
            await self._fail(pause, count)
        elif canary.is_complete(count):
            since = self._complete_since.setdefault(pause.control_id, now)
            if now - since >= canary.watch.total_seconds():
                await self._pass(pause)

    async def _pass(self, pause: Pause) -> None:
        async with self._changes.change(pause.organization_id) as change:
            found = await change.find(pause.control_id)
            if found is not None and found.runs_canary:
                await change.write(found.pass_canary(version=change.next_version, at=change.now))
        self._committed()

    async def _fail(self, pause: Pause, count: CanaryCount) -> None:
        """Pause its scope again and close the canary, in one commit."""
        begun: Pause | None = None
        async with self._changes.change(pause.organization_id) as change:
            found = await change.find(pause.control_id)
            if found is not None and found.runs_canary:
                begun = Pause.begin(
                    _order(found, count),
                    control_id=ControlId(self._new_id()),
                    version=change.next_version,
                    ttl_max=change.ttl_max,
                    at=change.now,
                )
                await change.write(begun)
                failed = found.fail_canary(version=change.next_version, at=change.now, replaced_by=begun.control_id)
                await change.write(failed)
        if begun is not None:
            self._fences.committed(begun)  # nothing is awaited since the commit was acknowledged
        self._committed()


def _order(pause: Pause, count: CanaryCount) -> Order:
    """Return the pause that takes the place of one whose canary failed."""
    return Order(
        organization_id=pause.organization_id,
        scope=pause.order.scope,
        target=pause.order.target,
        reason=f"the canary failed: {count.failed} of {count.sends} sends without success",
        source=Source.AUTO,
        paused_until=None,
        paused_by=CONTROL,
        peer=CONTROL,
        request_id=f"canary-{pause.control_id}",
    )
