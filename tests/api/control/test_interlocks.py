"""Pause gets through when a replica stops in the middle of a change, and when everything else is busy."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress

import pytest
from tests.api.control.conftest import Control, Start, eventually
from tests.api.control.test_pause import pause_request, resume_request
from tests.api.control.test_reads import watching
from tests.postgres import Databases

from chassis.database import Database
from control.__main__ import Databases as ControlDatabases
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2 as pb

HOLD = "UPDATE control_version SET version = version WHERE organization_id = 'demo'"


async def test_a_replica_that_stops_in_the_middle_of_a_change_does_not_hold_its_organization_up_for_long(
    control: Control, url: str
) -> None:
    await control.caller().Pause(pause_request("first"), timeout=10)
    stopped = ControlDatabases.connect(url)
    held, goes_on = asyncio.Event(), asyncio.Event()

    async def change_and_stop() -> None:
        async with stopped.commands.transaction() as tx:
            await tx.connection.execute(HOLD)
            held.set()
            await goes_on.wait()

    stopping = asyncio.create_task(change_and_stop())
    await held.wait()

    answer = await control.caller().Pause(pause_request("second"), timeout=20)

    assert answer.control.state == pb.CONTROL_STATE_FENCED
    goes_on.set()
    with pytest.raises(Failure) as cut_off:
        await stopping
    assert (cut_off.value.kind, cut_off.value.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    await stopped.close()


async def test_who_waits_for_a_change_that_does_not_end_is_told_to_try_again(
    control: Control, url: str, databases: Databases
) -> None:
    await control.caller().Pause(pause_request("first"), timeout=10)
    administrator = databases.connect(databases.server.url(database=url.rpartition("/")[2]))
    async with administrator.transaction() as tx:
        await tx.connection.execute(HOLD.replace("control_version", "control.control_version", 1))
        began = time.monotonic()
        with pytest.raises(Failure) as refused:
            await control.caller().Pause(pause_request("second"), timeout=20)
        assert 1.9 < time.monotonic() - began < 15  # the client tries a few times by itself
        other = control.caller(organization_id="other")
        assert (await other.Pause(pause_request(), timeout=10)).control.state == pb.CONTROL_STATE_FENCED
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert refused.value.retry_after is not None

    answer = await control.caller().Pause(pause_request("second"), timeout=10)
    assert answer.control.state == pb.CONTROL_STATE_FENCED


async def test_pause_and_resume_share_no_connection_with_anything_else(control: Control) -> None:
    client = control.caller()
    made = (await client.Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED), timeout=10)).control
    databases = control.databases
    async with AsyncExitStack() as busy:
        for pool in (databases.loops, databases.outbox, databases.checks, databases.reads):
            await take_all(pool, busy)
        lifted = await client.Resume(resume_request(made), timeout=5)
        assert lifted.controls[0].state == pb.CONTROL_STATE_RESUMED
        again = await client.Pause(pause_request("again", wait=pb.PAUSE_WAIT_COMMITTED), timeout=5)
        assert again.control.state == pb.CONTROL_STATE_PAUSING


async def take_all(pool: Database, busy: AsyncExitStack) -> None:
    """Hold every connection of `pool` for as long as `busy` is open."""
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                await busy.enter_async_context(pool.autocommit())


async def test_pause_and_resume_get_in_when_open_watches_take_all_the_room(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.listeners.MAX_CALLS", 6)
    control = await start()
    client, gate = control.caller(), control.peer("gate")
    async with AsyncExitStack() as open_watches:
        for reader in (client, gate):
            for _ in range(6):
                await open_watches.enter_async_context(watching(reader))
        demo = pb.ExecutionScope(organization_id="demo")
        for call in (
            gate.CheckExecutions(pb.CheckExecutionsRequest(scopes=[demo])),
            client.GetEffectiveState(pb.GetEffectiveStateRequest()),
            client.WatchExecutionControls(pb.WatchExecutionControlsRequest()).read(),
        ):
            with pytest.raises(Failure) as refused:
                await call
            assert (refused.value.kind, refused.value.reason) == (Kind.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
            assert refused.value.retry_after is not None

        made = (await client.Pause(pause_request(), timeout=10)).control
        assert made.state == pb.CONTROL_STATE_FENCED
        await client.Resume(resume_request(made), timeout=10)
        by_gate = pause_request(organization_id="demo", source=pb.SOURCE_AUTO)
        assert (await gate.Pause(by_gate, timeout=10)).control.state == pb.CONTROL_STATE_FENCED

    async def there_is_room() -> bool:
        with suppress(Failure):
            await client.GetEffectiveState(pb.GetEffectiveStateRequest())
            return True
        return False

    await eventually(there_is_room)
