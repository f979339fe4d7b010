"""PostgreSQL crashes in mid-campaign: nothing is lost, doubled or left unknown by an executor that lives on."""

import asyncio
from collections import Counter
from typing import Any

from tests.stores.executor.world import FakeProvider, World, new_job, until

from executor.domain.job import Message
from executor.domain.outcome import Outcome
from kernel.errors import Failure


class Slow(FakeProvider):
    """Takes a moment for each answer."""

    async def send(self, message: Message, begin: Any) -> Outcome:
        outcome = await super().send(message, begin)
        await asyncio.sleep(0.02)
        return outcome


async def test_an_immediate_restart_loses_and_doubles_nothing(databases: Any) -> None:
    database = databases.connect(await databases.url("executor"))
    provider = Slow()
    world = World.on(database, provider=provider, capacity=20)
    await world.accept(*(new_job() for _ in range(400)))

    async def all_sent() -> bool:
        try:
            return Counter((await world.states()).values()) == {"SENT": 400}
        except Failure:
            return False

    async with world.running(upkeep=True):
        for waited in (60, 180):
            await until(lambda waited=waited: len(provider.sent) >= waited, seconds=30)
            await databases.server.restart(immediate=True)
        await until(all_sent, seconds=30)
    assert set(Counter(attempt_id for attempt_id, _ in provider.sent).values()) == {1}
    intents = Counter(attempt_id.partition(".")[0] for attempt_id, _ in provider.sent)
    assert len(intents) == 400
    assert set(intents.values()) == {1}, "no intent was sent under two attempts"
