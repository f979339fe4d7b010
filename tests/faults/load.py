"""Work without end for every lane, and the sends as the executors note them. Knows no fault and no pause."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from tests.faults.system import Testbed

from console.connection import Clients, clients
from console.leads import Lead
from console.pki import mint_token
from console.submission import submit
from kernel.errors import Failure
from whatlead.gate.v1 import instance_pb2, policy_pb2

_LOOK_SECONDS = 0.05
_REST_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A campaign's work at one instance."""

    organization: str
    instance: str
    campaign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One hook that let a send begin, at boot-time `at`."""

    at: float
    attempt: str
    lane: Lane


@dataclass(slots=True)
class Sends:
    """Every send of the run. What an executor notes before its intent's submission was answered is placed later."""

    lanes: dict[str, Lane] = field(default_factory=dict)
    all: list[Send] = field(default_factory=list)
    latest: dict[Lane, deque[float]] = field(default_factory=dict)
    begun: dict[Lane, set[str]] = field(default_factory=dict)
    _unplaced: list[tuple[float, str]] = field(default_factory=list)
    _offsets: dict[Path, int] = field(default_factory=dict)

    def read(self, logs: list[Path]) -> None:
        """Take in what was noted since the last time."""
        seen, self._unplaced = self._unplaced, []
        for log in logs:
            seen += _lines(log, self._offsets)
        for at, attempt in seen:
            lane = self.lanes.get(attempt.partition(".")[0])
            if lane is None:
                self._unplaced.append((at, attempt))
                continue
            self.all.append(Send(at=at, attempt=attempt, lane=lane))
            self.latest.setdefault(lane, deque(maxlen=2000)).append(at)
            self.begun.setdefault(lane, set()).add(attempt.partition(".")[0])

    def within(self, lane: Lane, seconds: float) -> int:
        """Return how many sends of a lane began in the last `seconds`."""
        since = boottime() - seconds
        return sum(at >= since for at in self.latest.get(lane, ()))


def read_log(log: Path) -> list[tuple[float, str]]:
    """Return every line of a log."""
    return _lines(log, {})


def _lines(log: Path, offsets: dict[Path, int]) -> list[tuple[float, str]]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(offsets.get(log, 0))
        whole = file.read().rpartition(b"\n")[0]
    offsets[log] = offsets.get(log, 0) + (len(whole) + 1 if whole else 0)
    pairs = (line.decode().split() for line in whole.splitlines())
    return [(float(at), attempt) for at, attempt in pairs]


def boottime() -> float:
    """Return the clock that everything here is ordered by."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True, kw_only=True)
class Load:
    """Keeps every lane in work: at least `ahead` messages wait in each."""

    testbed: Testbed
    stubs: dict[str, Clients]
    lanes: tuple[Lane, ...]
    ahead: int
    sends: Sends = field(default_factory=Sends)
    _numbers: "count[int]" = field(default_factory=count)

    async def run(self) -> None:
        """Submit and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            for lane in self.lanes:
                group.create_task(self._feed(lane))

    async def _read(self) -> None:
        while True:
            self.read()
            await asyncio.sleep(_LOOK_SECONDS)

    def read(self) -> None:
        """Take in what the executors have noted."""
        self.sends.read([self.testbed.log_of(name) for name in self.testbed.executors])

    async def _feed(self, lane: Lane) -> None:
        submitted = 0
        while True:
            waiting = submitted - len(self.sends.begun.get(lane, ()))
            if waiting < self.ahead:
                await self.submit(lane, self.ahead)
                submitted += self.ahead
            await asyncio.sleep(_REST_SECONDS)

    async def submit(self, lane: Lane, count: int) -> None:
        """Submit until it is answered; the gate knows what it has by the request ids."""
        leads = [self._lead(lane) for _ in range(count)]
        while True:
            try:
                stubs = self.stubs[lane.organization]
                async for results in submit(stubs, leads, run=lane.campaign, hold_if_paused=True):
                    self.sends.lanes |= {result.intent_id: lane for result in results}
                return
            except Failure:
                await asyncio.sleep(_REST_SECONDS)

    def _lead(self, lane: Lane) -> Lead:
        number = next(self._numbers)
        return Lead(
            line=number,
            lead_id=f"{lane.campaign}-{number}",
            name="Ana",
            phone=f"+55119{60_000_000 + number:08d}",
            campaign_id=lane.campaign,
            category="UTILITY",
            instance_id=lane.instance,
            template="boas_vindas_v2",
        )


@asynccontextmanager
async def loaded(testbed: Testbed, lanes: tuple[Lane, ...], *, gap: float, ahead: int = 100) -> AsyncIterator[Load]:
    """Keep the lanes in work, with `gap` seconds between an instance's sends and `ahead` messages waiting in each."""
    async with AsyncExitStack() as stack:
        stubs: dict[str, Clients] = {}
        for organization in dict.fromkeys(lane.organization for lane in lanes):
            token = mint_token(testbed.system.data_dir, subject="load", organization_id=organization)
            stubs[organization] = await stack.enter_async_context(clients(testbed.system.connection, token))
            pace = policy_pb2.Pace(gap=Duration(nanos=int(gap * 1e9)), burst=2)
            request = policy_pb2.UpdatePolicyRequest(request_id="pace", policy=policy_pb2.Policy(pace=pace))
            await stubs[organization].policies.UpdatePolicy(request, timeout=30)
        for number, (organization, instance_id) in enumerate({(lane.organization, lane.instance) for lane in lanes}):
            instance = instance_pb2.Instance(
                instance_id=instance_id, provider="whatsapp_cloud", provider_account=f"30000{number}"
            )
            create = instance_pb2.CreateInstanceRequest(request_id=instance_id, instance=instance)
            await stubs[organization].instances.CreateInstance(create, timeout=30)
        load = Load(testbed=testbed, stubs=stubs, lanes=lanes, ahead=ahead)
        running = asyncio.create_task(load.run(), name="load")
        try:
            yield load
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
