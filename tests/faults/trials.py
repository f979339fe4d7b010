"""A trial for each mutant: the faults that bring it out, and how many pauses it may take. Knows no mutant's code."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.admin import Admin, administering
from tests.faults.load import Load, boottime, loaded
from tests.faults.proxy import FAIR, STOPPED, Weather
from tests.faults.run import GAP_SECONDS, LANES, TARGETS, sending
from tests.faults.system import CONTROLS, Testbed, running

TARGET = TARGETS[0]
_FENCE_SECONDS = 1.0
_LEAD_SECONDS = 0.8
_NOTICE_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One mutant and what provokes it.

    `deaf` executors hear of no pause that begins, so that the fence comes by its time alone. Weather blows over the
    ways from executors to control (`links`) and PostgreSQL (`stores`), and from control to PostgreSQL (`checks`); with
    `cut` the links break right before the pause. An `impatient` caller gives up at once and repeats its request.
    """

    mutant: str
    deaf: bool = True
    links: Weather = FAIR
    stores: Weather = FAIR
    checks: Weather = FAIR
    cut: bool = False
    impatient: bool = False
    pauses: int = 5


TRIALS = (
    Trial(mutant="no_wait"),
    Trial(mutant="fail_open", deaf=False, links=Weather(to=STOPPED, back=STOPPED)),
    Trial(mutant="no_expiry", stores=Weather(back=0.3)),
    Trial(mutant="check_before_commit_only", stores=Weather(back=0.3)),
    Trial(mutant="retry_answered_at_once", stores=Weather(back=0.1), impatient=True),
    Trial(mutant="permit_from_receipt", links=Weather(back=0.33), stores=Weather(back=0.06), pauses=10),
    Trial(
        mutant="joined_query",
        stores=Weather(back=0.055),
        checks=Weather(back=0.33, only=b"control checks"),
        pauses=40,
    ),
    Trial(
        mutant="old_answer_accepted",
        deaf=False,
        stores=Weather(back=0.05),
        checks=Weather(back=0.2, only=b"control checks"),
        pauses=15,
    ),
    Trial(mutant="session_ended_by_disconnect", deaf=False, cut=True, pauses=15),
    Trial(mutant="connected_only", deaf=False, cut=True),
)
QUICK = TRIALS[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a trial: sends inside the fence, after so many pauses and seconds."""

    mutant: str
    caught: bool
    inside: int
    pauses: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A system in work that trials are made on, one after the other."""

    testbed: Testbed
    load: Load
    admin: Admin

    async def run(self, trial: Trial, *, mutated: bool = True) -> Result:
        """Start the mutant, and pause under the trial's weather until it is caught or its pauses are used up.

        Without `mutated` it is the product that is tried.
        """
        environment = {"FAULTS_MUTANT": trial.mutant if mutated else "", "FAULTS_DEAF": "1" if trial.deaf else ""}
        names = (*CONTROLS, *self.testbed.executors)
        await asyncio.gather(*(self.testbed.restart(name, **environment) for name in names))
        began_at, inside, pauses = boottime(), 0, 0
        while pauses < trial.pauses and not inside:
            assert await sending(self.load, TARGET), f"nothing is sent with {trial.mutant}"
            inside += await self._pause(trial)
            pauses += 1
        return Result(
            mutant=trial.mutant, caught=inside > 0, inside=inside, pauses=pauses, seconds=boottime() - began_at
        )

    async def _pause(self, trial: Trial) -> int:
        """Pause once; return how many sends began inside the fence."""
        self._blow(trial.links, trial.stores, trial.checks)
        await asyncio.sleep(_LEAD_SECONDS)
        if trial.cut:
            self._blow(Weather(to=STOPPED, back=STOPPED), trial.stores, trial.checks)
            for link in self.testbed.links.values():
                link.cut()
            await asyncio.sleep(_NOTICE_SECONDS)
        fenced = await self.admin.pause(TARGET, timeout=0.05 if trial.impatient else 5.0)
        await asyncio.sleep(_FENCE_SECONDS)
        self._blow(FAIR, FAIR, FAIR)
        resumed_at = await self.admin.resume(fenced)
        self.load.read()
        sends = [send.at for send in self.load.sends.all if TARGET.covers(send.lane)]
        return sum(fenced.fenced_at <= at < resumed_at for at in sends)

    def _blow(self, links: Weather, stores: Weather, checks: Weather) -> None:
        for link in self.testbed.links.values():
            link.set(links)
        databases = self.testbed.databases
        for name in CONTROLS:
            databases[name].set(checks)
        for number, name in enumerate(self.testbed.executors):  # uneven, so that their rounds do not fall into step
            databases[name].set(replace(stores, back=stores.back * number))


@asynccontextmanager
async def benched(folder: Path) -> AsyncIterator[Bench]:
    """Start a system for trials."""
    async with (
        running(folder) as testbed,
        loaded(testbed, LANES, gap=GAP_SECONDS) as load,
        administering(testbed, TARGET.organization) as admin,
    ):
        yield Bench(testbed=testbed, load=load, admin=admin)
