"""One control process: the use cases of control as its composition root ties them, on simulated ports.

Only what a mutant replaces differs from run to run. Knows nothing of executors.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from tests.simulation.database import Primary, Replica
from tests.simulation.loop import Process
from tests.simulation.session_table import SessionTable

from control.application.checking import Checks
from control.application.expiry import expire_pauses
from control.application.fencing import FenceLoop
from control.application.heartbeat import Heart
from control.application.pausing import pause
from control.application.resuming import resume
from control.application.sessions import Sessions
from control.application.waiting import Hints
from control.application.watching import Watch
from control.domain.fence import FenceRule
from kernel.clock import Clock

TTL = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlParts:
    """What a control is made of where a mutant may put something else."""

    checks: type[Checks] = Checks
    fences: type[FenceLoop] = FenceLoop
    rule: FenceRule = field(default_factory=FenceRule)


class ControlProcess:
    """A control that runs. `failures` counts what its loops reported."""

    def __init__(
        self,
        process: Process,
        *,
        primary: Primary,
        sessions: SessionTable,
        clock: Clock,
        new_id: Callable[[], UUID],
        parts: ControlParts,
    ) -> None:
        self.process = process
        self.clock = clock
        self.failures = 0
        replica = Replica(primary, process)
        hints = Hints()
        self._hints = hints
        self.fences = parts.fences(
            changes=replica,
            pauses=replica,
            rule=parts.rule,
            clock=clock,
            committed=hints.give,
            failed=self._failed,
        )
        heart = Heart(heartbeats=replica, clock=clock, failed=self._failed)
        self.sessions = Sessions(
            store=sessions, rule=parts.rule, clock=clock, changed=self.fences.acknowledged, failed=self._failed
        )
        self.checks = parts.checks(snapshots=replica, heart=heart, ttl=TTL, failed=self._failed)
        self.watch = Watch(feed=replica, clock=clock, hint=hints.listener(), failed=self._failed)
        self.read = replica.read
        self.pause = partial(pause, changes=replica, fences=self.fences, new_id=new_id, committed=hints.give)
        self.resume = partial(resume, changes=replica, pauses=replica, committed=hints.give)
        expiry = partial(
            expire_pauses,
            changes=replica,
            deadlines=replica,
            clock=clock,
            hint=hints.listener(),
            committed=hints.give,
            failed=self._failed,
        )
        stop = asyncio.Event()
        for name, run in (
            ("heartbeat", heart.run),
            ("fences", self.fences.run),
            ("expiry", expiry),
            ("sessions", self.sessions.run),
            ("watch", self.watch.run),
        ):
            process.start(run(stop), name)

    def heard(self) -> None:
        """Take a notification: something changed, or was acknowledged."""
        self._hints.give()
        self.fences.acknowledged()

    def _failed(self, failure: Exception) -> None:
        self.failures += 1
