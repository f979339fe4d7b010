"""Faults in a seeded order: processes die, stand still and see their clocks step; networks and PostgreSQL fail.

Only processes that this run started are touched, by their ids. Knows no pause.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from random import Random

from tests.faults.load import boottime
from tests.faults.proxy import FAIR, STOPPED, Proxy, Weather
from tests.faults.system import CONTROLS, Testbed

from console.processes import ProcessEnded

_STORM_SECONDS = 14.0
_CALM_SECONDS = 7.0
_BETWEEN_SECONDS = (0.1, 1.5)
_STARTS = 20
_REST_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and how long it lasted, until what it broke was up again."""

    kind: str
    target: str
    began_at: float
    ended_at: float


@dataclass(slots=True, kw_only=True)
class Storm:
    """Makes faults of every kind, two at a time, and lets it be calm now and then."""

    testbed: Testbed
    seed: int
    faults: list[Fault] = field(default_factory=list)
    _broken: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Break and mend until cancelled."""
        randoms = [Random(f"{self.seed}.{number}") for number in range(2)]
        while True:
            async with asyncio.TaskGroup() as group:
                for random in randoms:
                    group.create_task(self._rage(random))
            await asyncio.sleep(_CALM_SECONDS)

    async def end(self, raging: asyncio.Task[None]) -> None:
        """End the storm and mend what it has broken."""
        raging.cancel()
        await asyncio.gather(raging, return_exceptions=True)
        for proxy in self.testbed.proxies:
            proxy.set(FAIR)
        await asyncio.gather(*map(self._mend, (*self.testbed.executors, *CONTROLS)))

    async def _mend(self, name: str) -> None:
        """Start a process that is down; while PostgreSQL is, it refuses to start."""
        for _ in range(_STARTS):
            if self.testbed.system.processes[name].running:
                return
            try:
                await self.testbed.system.restart(name)
            except* ProcessEnded:
                await asyncio.sleep(_REST_SECONDS)

    async def _rage(self, random: Random) -> None:
        end = boottime() + _STORM_SECONDS
        kinds = (self._kill, self._stop, self._delay, self._blackhole, self._half_open, self._step, self._crash)
        while boottime() < end:
            await random.choices(kinds, weights=(4, 6, 6, 5, 5, 3, 1))[0](random)
            await asyncio.sleep(random.uniform(*_BETWEEN_SECONDS))

    async def _kill(self, random: Random) -> None:
        async def kill(name: str) -> None:
            await self.testbed.system.processes[name].kill()
            await asyncio.sleep(random.uniform(0, 1))
            await self._mend(name)

        await self._to_a_process(random, "kill -9", kill)

    async def _stop(self, random: Random) -> None:
        async def stop(name: str) -> None:
            pid = self.testbed.system.processes[name].pid
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(0.05 * 80 ** random.random())
            finally:
                os.kill(pid, signal.SIGCONT)

        await self._to_a_process(random, "SIGSTOP", stop)

    async def _step(self, random: Random) -> None:
        async def step(name: str) -> None:
            os.kill(self.testbed.system.processes[name].pid, signal.SIGUSR1)

        await self._to_a_process(random, "clock step", step)

    async def _to_a_process(self, random: Random, kind: str, do: Callable[[str], Awaitable[None]]) -> None:
        name = random.choice((*self.testbed.executors, *CONTROLS))
        await self._noted(f"{kind}, {name.partition('-')[0]}", name, lambda: do(name))

    async def _delay(self, random: Random) -> None:
        await self._over(random, "delay", Weather(to=random.uniform(0, 0.4), back=random.uniform(0, 0.4)))

    async def _blackhole(self, random: Random) -> None:
        await self._over(random, "blackhole", Weather(to=STOPPED, back=STOPPED))

    async def _half_open(self, random: Random) -> None:
        await self._over(random, "half-open", random.choice((Weather(to=STOPPED), Weather(back=STOPPED))))

    async def _over(self, random: Random, kind: str, weather: Weather) -> None:
        proxy: Proxy = random.choice(self.testbed.proxies)
        seconds, cut = random.uniform(0.2, 3), random.random() < 0.3

        async def blow() -> None:
            proxy.set(weather)
            await asyncio.sleep(seconds)
            if cut:
                proxy.cut()
            proxy.set(FAIR)

        way = "PostgreSQL" if proxy.name.endswith("PostgreSQL") else "control"
        await self._noted(f"{kind} to {way}", proxy.name, blow)

    async def _crash(self, random: Random) -> None:
        await self._noted(
            "PostgreSQL crash", "PostgreSQL", lambda: self.testbed.system.postgres.restart(immediate=True)
        )

    async def _noted(self, kind: str, target: str, do: Callable[[], Awaitable[None]]) -> None:
        if target in self._broken:
            return
        self._broken.add(target)
        began_at = boottime()
        try:
            await do()
        finally:
            self._broken.discard(target)
            self.faults.append(Fault(kind=kind, target=target, began_at=began_at, ended_at=boottime()))

    def data(self) -> list[dict[str, object]]:
        """Return what was done, for a report."""
        return [asdict(fault) for fault in self.faults]
