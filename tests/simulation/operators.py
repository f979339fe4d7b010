"""Those who pause and resume, again and again, with retries of the same request. Knows only what control answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import TypeVar

from tests.simulation.checker import Checker
from tests.simulation.control_process import ControlProcess
from tests.simulation.network import Network

from control.application.pausing import Wait
from control.application.ports import Seen
from control.application.resuming import Lift
from control.domain.authority import Caller, Role, Wish
from control.domain.pause import Pause, Scope
from control.domain.resumption import Immediate, Plan, Ramp
from kernel.clock import Clock
from kernel.errors import Failure, Kind
from kernel.ids import OrganizationId

T = TypeVar("T")
PLANS: tuple[Plan, ...] = (Immediate(), Immediate(), Ramp(from_share=0.2, duration=timedelta(seconds=2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one operator likes to pause."""

    organization_id: str
    scope: Scope
    target: str = ""


class Operator:
    """Pauses one of its targets, waits for the fence, resumes, and begins anew."""

    def __init__(
        self,
        name: str,
        targets: Sequence[Target],
        *,
        network: Network,
        controls: Sequence[ControlProcess],
        database_clock: Clock,
        checker: Checker,
        random: Random,
    ) -> None:
        self._name = name
        self._targets = targets
        self._network = network
        self._controls = controls
        self._database_clock = database_clock
        self._checker = checker
        self._random = random
        self.retries = 0

    async def run(self) -> None:
        """Go on for ever."""
        number = 0
        while True:
            await asyncio.sleep(self._random.uniform(0.4, 1.4))
            number += 1
            await self._once(f"{self._name}-{number}")

    async def _once(self, request_id: str) -> None:
        random, target = self._random, self._random.choice(self._targets)
        until = None
        if random.random() < 0.15:
            until = self._database_clock.now() + timedelta(seconds=random.uniform(1.0, 3.0))
        wish = Wish(
            request_id=request_id,
            scope=target.scope,
            target=target.target,
            reason="drill",
            paused_until=until,
            organization_id="",
            source=None,
        )
        role = Role.PLATFORM if target.scope is Scope.PLATFORM else Role.OWNER
        caller = Caller(subject=self._name, organization_id=OrganizationId(target.organization_id), role=role)
        seen = await self._until_answered(
            lambda control: control.pause(wish, caller, Wait.FENCED), deadlines=(0.1, 0.3, 1.0, 3.0)
        )
        if seen is None:
            return
        self._checker.answered(seen.pause)
        await asyncio.sleep(random.uniform(0.2, 0.9))
        if until is None or random.random() < 0.3:
            await self._resume(seen, caller, random.choice(PLANS))

    async def _resume(self, seen: Seen, caller: Caller, plan: Plan) -> None:
        """Lift a pause; where others began meanwhile, look again and lift it all the same."""
        pause: Pause | None = seen.pause
        etag = seen.etag
        while pause is not None and pause.state.is_live:
            lift = Lift(
                request_id=pause.order.request_id,
                control_ids=(pause.control_id,),
                etag=etag,
                reason="over",
                plan=plan,
            )
            if await self._until_answered(lambda control: control.resume(lift, caller), deadlines=(1.0,)):  # noqa: B023
                return
            again = await self._until_answered(
                lambda control: control.read([seen.pause.control_id], {seen.pause.organization_id}), deadlines=(1.0,)
            )
            pause, etag = (again[0].pause, again[0].etag) if again else (None, etag)

    async def _until_answered(
        self, ask: Callable[[ControlProcess], Awaitable[T]], *, deadlines: Sequence[float]
    ) -> T | None:
        """Ask any control until one answers; None if it says no."""
        while True:
            control = self._random.choice(self._controls)
            deadline = self._random.choice(deadlines)
            try:
                return await self._network.call(control.process, partial(ask, control), deadline=deadline)
            except Failure as failure:
                if failure.kind is not Kind.UNAVAILABLE:
                    return None
                self.retries += 1
                await asyncio.sleep(self._random.uniform(0.0, 0.1))
