"""Processes die and come back in mid-campaign: nothing is lost, nothing is sent twice, and what was cut off says so."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from tests.system.scenario import STEADY, Scenario, eventually, leads, organization, running

from console.accounting import Account, check_fence, list_events, take_account
from console.submission import RowResult
from console.system import System
from whatlead.audit.v1 import event_pb2

ROWS = 900
PERMIT = timedelta(milliseconds=500)
"""The longest time a permit holds."""


async def sending_now(system: System) -> set[str]:
    """Return the intents whose jobs may have left and have no outcome, as the database has them."""
    connection = await asyncpg.connect(system.postgres.url(user="postgres", database="whatlead"))
    try:
        rows = await connection.fetch("SELECT intent_id FROM executor.job WHERE state = 'SENDING'")
    finally:
        await connection.close()
    return {str(row["intent_id"]) for row in rows}


async def stop_in_mid_send(system: System, name: str) -> None:
    """Stop an executor at a moment when sends of its own are under way: those that stay so."""
    pid = system.processes[name].pid
    for _ in range(100):
        os.kill(pid, signal.SIGSTOP)
        before = await sending_now(system)
        await asyncio.sleep(0.5)  # longer than the provider takes for those of others
        if before & await sending_now(system):
            return
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0.01)
    raise AssertionError(f"{name} was never met while it was sending")


async def account_of(scenario: Scenario, results: list[RowResult]) -> Account:
    """Wait until nothing waits and what the provider took is known to be sent."""

    async def account() -> Account:
        return await take_account(scenario.stubs, results, scenario.system.simulator_url)

    return await eventually(
        account, lambda one: one.settled and one.accepted_unknown == 0 and not one.problems(), seconds=120
    )


async def unknown_intents(scenario: Scenario) -> set[str]:
    events = await list_events(scenario.stubs, [event_pb2.EVENT_TYPE_MESSAGE_OUTCOME_UNKNOWN])
    return {event.aggregate_id for event in events}


async def test_an_executor_killed_in_mid_campaign_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, executors=2, profile=STEADY) as system, organization(system, "acme") as scenario:
        results = await scenario.submit(leads(ROWS))
        await scenario.sent_reaches(ROWS // 4)
        await stop_in_mid_send(system, "executor-2")
        await system.processes["executor-2"].kill()
        cut_off = await sending_now(system)
        account = await account_of(scenario, results)
        unknown = await eventually(lambda: unknown_intents(scenario), bool)  # events come to audit after the outcome
        assert unknown <= cut_off
        assert account.accepted_twice == 0
        assert account.sent + account.jobs["UNKNOWN"] == ROWS
        assert account.jobs["UNKNOWN"] == account.rows - account.accepted_by_provider


async def test_postgresql_restarted_in_mid_campaign_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, executors=2, profile=STEADY) as system, organization(system, "acme") as scenario:
        results = await scenario.submit(leads(ROWS))
        await scenario.sent_reaches(ROWS // 4)
        await system.postgres.restart(immediate=True)
        account = await account_of(scenario, results)
        assert account.accepted_twice == 0
        assert account.sent + account.jobs["UNKNOWN"] == ROWS
        assert account.jobs["UNKNOWN"] == account.rows - account.accepted_by_provider


async def test_sending_stops_without_control_and_goes_on_when_it_returns(tmp_path: Path) -> None:
    async with running(tmp_path, executors=2, profile=STEADY) as system, organization(system, "acme") as scenario:
        results = await scenario.submit(leads(ROWS))
        await scenario.sent_reaches(ROWS // 4)
        await system.processes["control"].stop()
        stopped_at = datetime.now(UTC)
        await eventually(lambda: sending_now(system), lambda sending: not sending, seconds=20)
        await asyncio.sleep(1.5)  # long enough for a send that should not begin to show itself
        restarted_at = datetime.now(UTC)
        await system.restart("control")
        account = await account_of(scenario, results)
        silence = await check_fence(
            scenario.stubs, system.simulator_url, fenced_at=stopped_at + PERMIT, resumed_at=restarted_at
        )
        assert (silence.begun_inside, silence.arrived_inside) == (0, 0)
        assert silence.observed >= ROWS
        assert account.sent == ROWS
        assert await unknown_intents(scenario) == set()
