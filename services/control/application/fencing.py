"""The loop that fences pauses: when every session there is has acknowledged, at the latest a whole W after the commit.

Whoever asked, and whether or not they still wait. W counts from the commit that this process saw acknowledged or, for a
pause that it did not commit itself, from when it first read it: any replica takes over from one that died, and none can
be early. Knows no request and no session.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from control.application.ports import Changes, Pauses
from control.application.waiting import wait_for_any, within
from control.domain.fence import FenceRule
from control.domain.pause import Pause, State
from kernel.clock import Clock
from kernel.errors import Failure
from kernel.ids import ControlId, OrganizationId

_LOOK_SECONDS = 0.075  # what it may add to W when a replica dies and nobody heard of its pause
_GRACE_SECONDS = 0.075  # left to the replica whose caller waits, so that not all make the same fence at once
_RETRY_SECONDS = 0.05
_DATABASE_SECONDS = 1.0  # a connection that is half gone holds up no fence for longer


@dataclass(slots=True, kw_only=True)
class _Pausing:
    """A pause on its way to its fence: when that is due on the boot-time clock, and who waits for it here."""

    organization_id: OrganizationId
    due_at: float
    is_acknowledged: bool = False
    being_fenced: bool = False
    waiters: list[asyncio.Future[Pause]] = field(default_factory=list)


class FenceLoop:
    """Fences what is due and tells those who wait."""

    def __init__(
        self,
        *,
        changes: Changes,
        pauses: Pauses,
        rule: FenceRule,
        clock: Clock,
        committed: Callable[[], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self._changes = changes
        self._pauses = pauses
        self._rule = rule
        self._clock = clock
        self._hint = asyncio.Event()
        self._committed = committed
        self._failed = failed
        self._pausing: dict[ControlId, _Pausing] = {}
        self._next_look = 0.0

    def committed(self, pause: Pause) -> None:
        """Count W from now. To be called as soon as the commit is acknowledged, by the one who made it."""
        self._meet(pause)

    def acknowledged(self) -> None:
        """Look at once if somebody waits here: a session has acknowledged, or one less has to."""
        if any(pausing.waiters for pausing in self._pausing.values()):
            self._hint.set()

    async def settled(self, pause: Pause) -> Pause:
        """Return the pause once it is no longer PAUSING, whichever replica made it so."""
        waiter: asyncio.Future[Pause] = asyncio.get_running_loop().create_future()
        waiters = self._meet(pause).waiters
        waiters.append(waiter)
        self._hint.set()
        try:
            return await waiter
        finally:
            waiters.remove(waiter)

    async def run(self, stop: asyncio.Event) -> None:
        """Fence until `stop`. What is left then, another replica or the next process fences, after a whole W."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                for organization_id, control_ids in self._take_due().items():
                    group.create_task(self._fence(organization_id, control_ids), name="control.fence")
                if self._hint.is_set() or self._clock.boottime() >= self._next_look:
                    await self._look()
                await wait_for_any(stop, self._hint, clock=self._clock, seconds=self._seconds_to_next())

    def _meet(self, pause: Pause) -> _Pausing:
        """Begin W for a pause that is known to be committed, unless it has begun already."""
        known = self._pausing.get(pause.control_id)
        if known is None:
            due_at = self._clock.boottime() + self._rule.wait(pause.ttl_max)
            known = self._pausing[pause.control_id] = _Pausing(organization_id=pause.organization_id, due_at=due_at)
        return known

    async def _look(self) -> None:
        """Find what others committed, what has been acknowledged, and what became of what is awaited here."""
        self._hint.clear()
        awaited = dict(self._pausing)
        try:
            async with within(_DATABASE_SECONDS):
                unfenced = {one.pause.control_id: one for one in await self._pauses.unfenced()}
            for one in unfenced.values():
                pausing = self._meet(one.pause)
                if one.is_acknowledged and not pausing.is_acknowledged:
                    pausing.is_acknowledged = True
                    grace = 0.0 if pausing.waiters else _GRACE_SECONDS
                    pausing.due_at = min(pausing.due_at, self._clock.boottime() + grace)
            for control_id, pausing in awaited.items():
                if control_id not in unfenced and control_id in self._pausing:
                    async with within(_DATABASE_SECONDS):
                        found = await self._pauses.find(control_id, {pausing.organization_id})
                    if found is not None and found.state is not State.PAUSING:
                        self._settle(found)
        except Failure as failure:
            self._failed(failure)
        self._next_look = self._clock.boottime() + _LOOK_SECONDS

    def _take_due(self) -> dict[OrganizationId, list[ControlId]]:
        now = self._clock.boottime()
        due: defaultdict[OrganizationId, list[ControlId]] = defaultdict(list)
        for control_id, pausing in self._pausing.items():
            if pausing.due_at <= now and not pausing.being_fenced:
                pausing.being_fenced = True
                due[pausing.organization_id].append(control_id)
        return due

    async def _fence(self, organization_id: OrganizationId, control_ids: Sequence[ControlId]) -> None:
        """Fence those that are still PAUSING, in one commit. Organizations do not wait for each other."""
        try:
            settled: list[Pause] = []
            async with within(_DATABASE_SECONDS), self._changes.change(organization_id) as change:
                for control_id in control_ids:
                    found = await change.find(control_id)
                    if found is not None and found.state is State.PAUSING:
                        found = found.fence(version=change.next_version, at=change.now)
                        await change.write(found)
                    settled += [found] if found is not None else []
        except Failure as failure:
            self._failed(failure)
            for control_id in control_ids:
                if (pausing := self._pausing.get(control_id)) is not None:
                    pausing.due_at = self._clock.boottime() + _RETRY_SECONDS
                    pausing.being_fenced = False
            self._hint.set()
            return
        for pause in settled:
            self._settle(pause)
        self._committed()

    def _settle(self, pause: Pause) -> None:
        pausing = self._pausing.pop(pause.control_id, None)
        for waiter in pausing.waiters if pausing is not None else ():
            if not waiter.done():
                waiter.set_result(pause)

    def _seconds_to_next(self) -> float:
        waits = [pausing.due_at for pausing in self._pausing.values() if not pausing.being_fenced]
        return min([*waits, self._next_look]) - self._clock.boottime()
