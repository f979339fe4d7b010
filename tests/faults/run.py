"""One run: a system in work, pauses of several scopes at once, a storm around them. Judges nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg
from tests.faults.admin import Admin, Fenced, Target, administering
from tests.faults.checker import LONGEST_RESUME_SECONDS, SENDS_BEFORE, TRANSITIONS, Pause, Seen, between
from tests.faults.load import Lane, Load, boottime, loaded, read_log
from tests.faults.system import Testbed, running
from tests.faults.weather import Storm

from console.accounting import list_events
from whatlead.audit.v1 import event_pb2

GAP_SECONDS = 0.0175
AUTUMN = Lane(organization="alpha", instance="alpha-1", campaign="autumn")
WINTER = Lane(organization="alpha", instance="alpha-2", campaign="winter")
SPRING = Lane(organization="beta", instance="beta-1", campaign="spring")
OTHERS = (
    Lane(organization="alpha", instance="alpha-3", campaign="summer"),
    Lane(organization="gamma", instance="gamma-1", campaign="harvest"),
)
LANES = (AUTUMN, WINTER, SPRING, *OTHERS)
TARGETS = (
    Target(organization="alpha", campaign="autumn"),
    Target(organization="alpha", instance="alpha-2"),
    Target(organization="beta"),
)
"""A campaign, an instance and an organization are paused at the same time; two lanes never are."""

_WARM_SECONDS = 6.0
_CALM_SECONDS = 4.0
_FENCE_SECONDS = (0.3, 0.9)
_EVENTS_SECONDS = 40.0
_WAITING = """
SELECT count(*) FROM executor.job
WHERE state = 'READY' AND organization_id = $1 AND ($2 = '' OR instance_id = $2) AND ($3 = '' OR campaign_id = $3)
"""
_EVENTS = {event_pb2.EventType.Value(f"EVENT_TYPE_EXECUTION_{name}"): name for name in TRANSITIONS}


@dataclass(slots=True, kw_only=True)
class Run:
    """What a run is made of, and what it has seen so far."""

    testbed: Testbed
    load: Load
    admins: dict[str, Admin]
    pauses: list[Pause] = field(default_factory=list)

    async def pause(self, target: Target, *, seconds: float) -> None:
        """Pause a scope for `seconds` after its fence, and resume it."""
        admin = self.admins[target.organization]
        fenced = await admin.pause(target)
        waiting = await self._waiting(target)
        await asyncio.sleep(max(0.0, fenced.answered_at + seconds - boottime()))
        resume_asked_at = await admin.resume(fenced)
        self.pauses.append(_pause(fenced, waiting, resume_asked_at))

    async def _waiting(self, target: Target) -> int:
        """Return how many jobs wait in scope; 0 while PostgreSQL does not answer."""
        try:
            database = await asyncpg.connect(self.testbed.system.postgres.url(), timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return 0
        try:
            count: int = await database.fetchval(_WAITING, target.organization, target.instance, target.campaign)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return 0
        finally:
            database.terminate()
        return count

    async def events(self) -> dict[str, Counter[str]]:
        """Return what audit was told of each pause, once it has everything or has had long enough."""
        end = boottime() + _EVENTS_SECONDS
        while True:
            told: dict[str, Counter[str]] = {}
            for stubs in self.load.stubs.values():
                for event in await list_events(stubs, list(_EVENTS)):
                    told.setdefault(event.aggregate_id, Counter())[_EVENTS[event.type]] += 1
            whole = all(sum(told.get(pause.control_id, Counter()).values()) >= 3 for pause in self.pauses)
            if whole or boottime() > end:
                return told
            await asyncio.sleep(0.3)


async def sending(load: Load, target: Target, *, since: float = 0.0) -> bool:
    """Wait until as many sends as a pause needs to count began in the last second, after `since`; tell if so."""
    end = boottime() + LONGEST_RESUME_SECONDS
    lanes = [lane for lane in load.lanes if target.covers(lane)]
    while boottime() < end:
        seconds = min(1.0, boottime() - since)
        if sum(load.sends.within(lane, seconds) for lane in lanes) >= SENDS_BEFORE + 2:
            return True
        await asyncio.sleep(0.05)
    return False


def _pause(fenced: Fenced, waiting: int, resume_asked_at: float) -> Pause:
    return Pause(
        control_id=fenced.control.control_id,
        target=fenced.target,
        asked_at=fenced.asked_at,
        committed_at=fenced.committed_at,
        fenced_at=fenced.fenced_at,
        answered_at=fenced.answered_at,
        resume_asked_at=resume_asked_at,
        resumed_at=boottime(),
        waiting=waiting,
        tries=fenced.tries,
    )


async def observe(
    folder: Path, *, seed: int, enough: Callable[[Sequence[Pause]], bool], seconds: float, stormy: bool = True
) -> Seen:
    """Pause and resume under a storm until `enough` or for `seconds`, then mend everything and return what was seen."""
    async with AsyncExitStack() as stack:
        testbed = await stack.enter_async_context(running(folder))
        load = await stack.enter_async_context(loaded(testbed, LANES, gap=GAP_SECONDS))
        admins = {
            organization: await stack.enter_async_context(administering(testbed, organization))
            for organization in load.stubs
        }
        run = Run(testbed=testbed, load=load, admins=admins)
        for target in TARGETS:
            assert await sending(load, target), f"nothing is sent in {target}"
        await asyncio.sleep(_WARM_SECONDS + _CALM_SECONDS)
        now = boottime()
        rates = {
            lane: between(sorted(load.sends.latest[lane]), now - _CALM_SECONDS, now) / _CALM_SECONDS for lane in LANES
        }
        storm = Storm(testbed=testbed, seed=seed)
        raging = asyncio.create_task(storm.run() if stormy else asyncio.Event().wait(), name="storm")
        done = asyncio.Event()
        async with asyncio.timeout(seconds + 120):
            async with asyncio.TaskGroup() as group:
                group.create_task(_watch(run, enough, boottime() + seconds, done, raging))
                for number, target in enumerate(TARGETS):
                    group.create_task(_pause_again_and_again(run, target, Random(f"{seed}.{number}"), done))
        await storm.end(raging)
        for target in TARGETS:
            await sending(load, target)
        ended_at = boottime()
        events = await run.events()
        load.read()
        return Seen(
            pauses=run.pauses,
            sends=load.sends.all,
            arrivals=sorted(read_log(testbed.log_of("simulator"))),
            faults=storm.faults,
            events=events,
            others=OTHERS,
            calm_rates=rates,
            ended_at=ended_at,
        )


async def _watch(
    run: Run, enough: Callable[[Sequence[Pause]], bool], until: float, done: asyncio.Event, raging: asyncio.Task[object]
) -> None:
    while not enough(run.pauses) and boottime() < until:
        if raging.done():
            raging.result()
        await asyncio.sleep(0.2)
    done.set()


async def _pause_again_and_again(run: Run, target: Target, random: Random, done: asyncio.Event) -> None:
    resumed_at = 0.0
    while not done.is_set() and await sending(run.load, target, since=resumed_at):
        await asyncio.sleep(random.uniform(0, 0.3))
        await run.pause(target, seconds=random.uniform(*_FENCE_SECONDS))
        resumed_at = boottime()
