"""Whole executor processes: started from environment alone, stopped gently and killed, against the simulator."""

import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.api.executor.neighbours import Heard, Program, executor_program, free_port, neighbours
from tests.api.executor.test_calls import approved
from tests.serving import settings_of
from tests.stores.executor.world import until

from chassis.clients import internal_channel
from chassis.database import Database, Query
from chassis.settings import ServiceSettings
from whatlead.executor.v1 import executor_pb2 as pb
from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceStub


@dataclass
class Town:
    """A simulator, an executor, and what they can be asked."""

    heard: Heard
    database: Database
    executor: Program
    simulator_url: str
    internal: str
    http: aiohttp.ClientSession

    async def states(self) -> Counter[str]:
        async with self.database.transaction() as tx:
            return Counter(row.state for row in await tx.fetch(Query.of("states", "SELECT state FROM job")))

    async def accept(self, *items: pb.ApprovedIntent) -> None:
        lane = pb.Lane(
            organization_id="demo",
            instance_id="inst-1",
            version=1,
            provider="whatsapp_cloud",
            provider_account="100001",
        )
        async with internal_channel(self.internal, settings_of("gate", ServiceSettings)) as channel:
            await ExecutorServiceStub(channel).AcceptJobs(pb.AcceptJobsRequest(lanes=[lane], jobs=items))

    async def fates(self, *fates: dict[str, Any]) -> None:
        async with self.http.post(f"{self.simulator_url}/_simulator/fates", json=list(fates)) as answer:
            assert answer.status == 200, await answer.text()

    async def stats(self) -> dict[str, Any]:
        async with self.http.get(f"{self.simulator_url}/_simulator/stats") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def reached(self, **wanted: int) -> None:
        async def there() -> bool:
            return dict(await self.states()) == wanted

        try:
            await until(there, seconds=25)
        except AssertionError:
            raise AssertionError(f"{await self.states()}\n{self.executor.log.read_text()[-3000:]}") from None


@asynccontextmanager
async def town_of(databases: Any, tmp_path: Path, **settings: str) -> AsyncIterator[Town]:
    url = await databases.url("executor")
    heard = Heard()
    simulator_port, http_port, internal_port = free_port(), free_port(), free_port()
    simulator = Program(
        "simulator",
        {
            "WHATLEAD_SIMULATOR_LISTEN": f"127.0.0.1:{simulator_port}",
            "WHATLEAD_SIMULATOR_PROFILE": "clean",
            "WHATLEAD_SIMULATOR_ACCESS_TOKEN": "token",
            "WHATLEAD_SIMULATOR_APP_SECRET": "app-secret",
            "WHATLEAD_SIMULATOR_WEBHOOK_URL": f"http://127.0.0.1:{http_port}/webhooks/whatsapp",
        },
        health=f"http://127.0.0.1:{simulator_port}/_simulator/healthz",
        log=tmp_path / "simulator.log",
    )
    async with AsyncExitStack() as stack:
        beside = await stack.enter_async_context(neighbours(heard))
        executor = executor_program(
            url,
            beside,
            tmp_path / "executor.log",
            WHATLEAD_HTTP_LISTEN=f"127.0.0.1:{http_port}",
            WHATLEAD_INTERNAL_LISTEN=f"127.0.0.1:{internal_port}",
            WHATLEAD_WHATSAPP_BASE_URL=f"http://127.0.0.1:{simulator_port}",
            WHATLEAD_WHATSAPP_ACCESS_TOKEN="token",
            WHATLEAD_WHATSAPP_APP_SECRET="app-secret",
            WHATLEAD_WHATSAPP_VERIFY_TOKEN="verify",
            **settings,
        )
        for program in (simulator, executor):
            await program.start()
            stack.push_async_callback(program.end, signal.SIGKILL)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Town(
            heard=heard,
            database=databases.connect(url),
            executor=executor,
            simulator_url=f"http://127.0.0.1:{simulator_port}",
            internal=f"localhost:{internal_port}",
            http=http,
        )


async def test_messages_go_out_and_their_statuses_come_back(databases: Any, tmp_path: Path) -> None:
    async with town_of(databases, tmp_path) as town:
        items = [approved() for _ in range(30)]
        await town.fates({"intent_id": items[0].intent_id, "answer": "refused", "code": 131026})
        await town.fates({"intent_id": items[1].intent_id, "answer": "lost_answer"})
        await town.accept(*items)
        await town.reached(READ=29, FAILED=1)
        stats = await town.stats()
        assert stats["intents_accepted_twice"] == 0
        assert stats["accepted"] == 29
        await until(lambda: "READ" in town.heard.types(items[1].intent_id))
        told = town.heard.types(items[1].intent_id)
        assert told[:3] == ["SEND_STARTED", "OUTCOME_UNKNOWN", "OUTCOME_RESOLVED"], (
            "a lost answer is settled by its webhook"
        )
        assert town.heard.types(items[0].intent_id) == ["SEND_STARTED", "FAILED"]
        assert await town.executor.end() == 0


async def test_sigterm_finishes_what_is_under_way_and_leaves_no_unknown(databases: Any, tmp_path: Path) -> None:
    async with town_of(databases, tmp_path, WHATLEAD_MAX_IN_FLIGHT="20") as town:
        items = [approved() for _ in range(200)]
        await town.fates({"phone_number_id": "100001", "latency": 0.3, "times": 200, "statuses": []})
        await town.accept(*items)

        async def under_way() -> bool:
            return (await town.states())["SENDING"] >= 10

        await until(under_way)
        assert len(town.heard.sessions) == 1
        assert await town.executor.end() == 0
        assert not town.heard.sessions, "control is told that nothing begins any more"
        states = await town.states()
        assert set(states) == {"SENT", "READY"}, states
        assert (await town.stats())["accepted"] == states["SENT"]
        await town.executor.start()
        await town.reached(SENT=200)
        assert (await town.stats())["intents_accepted_twice"] == 0


async def test_kill_9_loses_and_doubles_nothing_and_webhooks_settle_the_cut_off(databases: Any, tmp_path: Path) -> None:
    settings = {
        "WHATLEAD_MAX_IN_FLIGHT": "20",
        "WHATLEAD_PROVIDER_DEADLINE_SECONDS": "3",
        "WHATLEAD_LEASE_MARGIN_SECONDS": "1",
    }
    async with town_of(databases, tmp_path, **settings) as town:
        items = [approved() for _ in range(100)]
        delivered = [{"status": "delivered", "delay": 8.0}]
        hang = {"answer": "hang_after_acceptance", "hang": 60.0, "times": 5, "statuses": delivered}
        await town.fates(hang, {"latency": 0.2, "times": 200, "statuses": delivered})
        await town.accept(*items)

        async def in_the_middle() -> bool:
            states = await town.states()
            return states["SENT"] >= 20 and states["SENDING"] >= 6

        await until(in_the_middle)
        await town.executor.end(signal.SIGKILL)
        before = await town.states()
        await town.executor.start()

        async def rescued() -> bool:
            states = await town.states()
            return states["SENDING"] == 0 and states["READY"] == 0

        await until(rescued, seconds=25)
        stats = await town.stats()
        assert stats["intents_accepted_twice"] == 0
        unaccepted = 100 - stats["intents_accepted"]
        await town.reached(
            **{name: count for name, count in (("DELIVERED", 100 - unaccepted), ("UNKNOWN", unaccepted)) if count}
        )
        unknown = [item.intent_id for item in items if "OUTCOME_UNKNOWN" in town.heard.types(item.intent_id)]
        assert 5 <= len(unknown) <= before["SENDING"], "those cut off, and no others"


async def test_bad_settings_are_named_together_at_start(tmp_path: Path) -> None:
    program = Program("executor", {}, health="http://127.0.0.1:1/", log=tmp_path / "log")
    with pytest.raises(AssertionError, match="WHATLEAD_DATABASE_URL"):
        await program.start()
    assert await program.end() == 2
