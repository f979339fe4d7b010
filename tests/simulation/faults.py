"""What goes wrong, when and for how long: seeded storms with calm between them. Knows nobody's reaction."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.network import LATEST_SECONDS
from tests.simulation.server import LINK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import World

_STALLS = (0.05, 0.3, 1.5, 4.0)
_AFTERMATH = 1.0
_OFTEN = (0.0, 0.5, 1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One fault: of what kind, whose, and from when to when in true time."""

    kind: str
    subject: str
    since: float
    until: float


class Faults:
    """Afflicts a world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = world.random
        self.counts: Counter[str] = Counter()
        self.troubles: list[Trouble] = []
        self._open: dict[int, tuple[str, str, float]] = {}
        self._number = 0
        self._is_storm = False

    async def run(self) -> None:
        """Go on for ever: storms of a few seconds, in which each kind strikes now and then."""
        kinds: tuple[tuple[float, Callable[[], Coroutine[Any, Any, None]]], ...] = (
            (1.6, self._stall_executor),
            (9.0, self._kill_executor),
            (9.0, self._stop_executor),
            (6.0, self._stall_control),
            (14.0, self._kill_control),
            (6.0, self._partition),
            (3.0, self._half_open),
            (16.0, self._restart_primary),
            (18.0, self._read_only),
            (5.0, self._slow_primary),
            (6.0, self._slow_reads),
            (9.0, self._break_commits),
            (14.0, self._unlink_control),
            (10.0, self._mute_notifications),
            (6.0, self._slow_store),
            (20.0, self._restart_store),
            (3.5, self._slow_network),
            (8.0, self._step_clock),
        )
        for every, strike in kinds:
            # Each seed has weather of its own: what never meets among everything meets where little else goes on.
            often = self._random.choice(_OFTEN)
            if often:
                self._world.loop.world.start(self._now_and_then(every / often, strike), "fault")
        await asyncio.sleep(self._random.uniform(2.0, 4.0))
        while True:
            self._is_storm = True
            await asyncio.sleep(self._random.uniform(4.0, 7.0))
            self._is_storm = False
            await asyncio.sleep(self._random.uniform(3.0, 5.0))

    def is_calm(self, since: float, until: float, *kinds: str) -> bool:
        """Tell whether nothing (of `kinds`, by their beginning) was wrong between two times, or shortly before."""
        return not any(trouble.since < until and trouble.until > since for trouble in self._all(kinds))

    def is_manned(self, organization_id: str, since: float, until: float) -> bool:
        """Tell whether the primary was well and so was some control, and no other sat on the organization's lock."""
        if not self.is_calm(since, until, "database"):
            return False
        for held_id, held_since, held_until in self._world.primary.holds:
            if held_id == organization_id and held_since < until and held_until > since:
                return False
        return any(
            not any(
                trouble.subject == control and trouble.since < until and trouble.until > since
                for trouble in self._all(("control",))
            )
            for control, (born, died) in self._world.control_lives.items()
            if born < since - _AFTERMATH and died > until
        )

    def _all(self, kinds: tuple[str, ...]) -> "Iterator[Trouble]":
        now = self._world.loop.time()
        for trouble in self.troubles:
            if not kinds or trouble.kind.startswith(kinds):
                yield trouble
        for kind, subject, since in self._open.values():
            if not kinds or kind.startswith(kinds):
                yield Trouble(kind=kind, subject=subject, since=since, until=now)

    async def _now_and_then(self, every: float, strike: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1.0 / every))
            if self._is_storm:
                await strike()

    @contextmanager
    def _trouble(self, kind: str, subject: str, *, aftermath: float = _AFTERMATH) -> "Iterator[None]":
        self.counts[kind] += 1
        self._number += 1
        number, since = self._number, self._world.loop.time()
        self._open[number] = (kind, subject, since)
        self._world.trace.note(since, f"fault {kind} {subject}")
        yield
        del self._open[number]
        until = self._world.loop.time() + aftermath
        self.troubles.append(Trouble(kind=kind, subject=subject, since=since, until=until))

    def _stall_seconds(self) -> float:
        return self._random.choice(_STALLS) * self._random.random()

    async def _stall_executor(self) -> None:
        executor = self._random.choice(self._world.executors)
        if self._random.random() < 0.5:  # its connections did not outlive it
            self._world.network.half_open(executor.process)
        await self._stall("executor stalled", executor.process.name, executor.process)

    async def _stall_control(self) -> None:
        control = self._random.choice(self._world.controls)
        await self._stall("control stalled", control.process.name, control.process)

    async def _stall(self, kind: str, name: str, process: Any) -> None:
        with self._trouble(kind, name):
            process.stall_after(self._random.randint(1, 60), once_sent=self._random.random() < 0.5)
            await asyncio.sleep(self._stall_seconds())
            process.go_on()

    async def _kill_executor(self) -> None:
        place = self._random.randrange(len(self._world.executors))
        with self._trouble("executor killed", self._world.executors[place].process.name):
            killed = self._world.executors[place]
            self._world.kill(killed.process)
            await asyncio.sleep(self._random.uniform(0.1, 2.0))
            if killed is self._world.executors[place]:
                self._world.start_executor(place)

    async def _stop_executor(self) -> None:
        place = self._random.randrange(len(self._world.executors))
        executor = self._world.executors[place]
        with self._trouble("executor stopped", executor.process.name):
            executor.process.call_soon(executor.stop.set)
            await asyncio.sleep(self._random.uniform(0.1, 2.0))
            if executor is self._world.executors[place]:
                self._world.kill(executor.process)
                self._world.start_executor(place)

    async def _kill_control(self) -> None:
        place = self._random.randrange(len(self._world.controls))
        with self._trouble("control killed", self._world.controls[place].process.name):
            self._world.kill(self._world.controls[place].process)
            await asyncio.sleep(self._random.uniform(0.1, 2.0))
            self._world.start_control(place)

    async def _partition(self) -> None:
        executor = self._random.choice(self._world.executors).process
        control = self._random.choice(self._world.controls).process
        ways = self._random.choice((((executor, control), (control, executor)), ((control, executor),)))
        with self._trouble("network cut" if len(ways) == 2 else "network half cut", executor.name):
            for source, target in ways:
                self._world.network.cut(source, target)
            await asyncio.sleep(self._random.uniform(0.2, 3.0))
            for source, target in ways:
                self._world.network.heal(source, target)

    async def _half_open(self) -> None:
        everybody = self._random.random() < 0.5
        struck = self._world.executors if everybody else [self._random.choice(self._world.executors)]
        with self._trouble("network watch lost", struck[0].process.name):
            for executor in struck:
                self._world.network.half_open(executor.process)

    async def _restart_primary(self) -> None:
        with self._trouble("database restarted", "primary"):
            down = self._random.uniform(0.05, 1.0)
            self._world.primary.server.restart(down_seconds=down)
            await asyncio.sleep(down)

    async def _read_only(self) -> None:
        with self._trouble("database read-only", "primary"):
            self._world.primary.server.is_writable = False
            await asyncio.sleep(self._random.uniform(0.3, 2.0))
            self._world.primary.server.is_writable = True

    async def _slow_primary(self) -> None:
        server = self._world.primary.server
        with self._trouble("database slow", "primary"):
            server.slow_share, server.longest = self._random.choice(((0.1, 1.5), (0.5, 0.9)))
            await asyncio.sleep(self._random.uniform(0.5, 2.5))
            server.slow_share = 0.0

    async def _slow_reads(self) -> None:
        """Slow down what only reads, and executors' takes, so that those who ask come at any time into a slow query."""
        server, store = self._world.primary.server, self._world.store.server
        with self._trouble("database reads slow", "primary"):
            server.slow_share, server.longest, server.slow_changes = 0.5, 0.9, False
            store.slow_share, store.longest = 0.4, 0.4
            await asyncio.sleep(self._random.uniform(1.0, 3.0))
            server.slow_share, server.slow_changes, store.slow_share = 0.0, True, 0.0

    async def _break_commits(self) -> None:
        server = self._world.primary.server
        with self._trouble("database connections broken", "primary"):
            server.break_share = 0.15
            await asyncio.sleep(self._random.uniform(0.5, 2.0))
            server.break_share = 0.0

    async def _unlink_control(self) -> None:
        control = self._random.choice(self._world.controls).process
        unlinked = self._world.primary.server.unlinked
        with self._trouble("control unlinked", control.name, aftermath=LINK_SECONDS):
            unlinked[control] = None
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
            unlinked.pop(control, None)
            self._world.primary.server.disconnect(control)

    async def _mute_notifications(self) -> None:
        control = self._random.choice(self._world.controls).process
        with self._trouble("control not notified", control.name):
            self._world.muted[control] = None
            await asyncio.sleep(self._random.uniform(0.5, 2.0))
            self._world.muted.pop(control, None)

    async def _slow_store(self) -> None:
        server = self._world.store.server
        with self._trouble("store slow", "store"):
            server.slow_share, server.longest = 0.15, 0.6
            await asyncio.sleep(self._random.uniform(0.5, 2.0))
            server.slow_share = 0.0

    async def _restart_store(self) -> None:
        with self._trouble("store restarted", "store"):
            self._world.store.server.restart(down_seconds=self._random.uniform(0.05, 0.5))
            await asyncio.sleep(0.5)

    async def _slow_network(self) -> None:
        network = self._world.network
        with self._trouble("network slow", "all", aftermath=LATEST_SECONDS):
            network.late_share, network.loss_share = 0.3, 0.02
            await asyncio.sleep(self._random.uniform(0.5, 2.0))
            network.late_share, network.loss_share = 0.0, 0.0

    async def _step_clock(self) -> None:
        with self._trouble("clock stepped", "all"):
            self._random.choice(self._world.clocks).step(
                self._random.choice((-1.0, 1.0)) * self._random.uniform(0.1, 5.0)
            )
