"""Audit is away while a campaign goes out: senders go on, what waits is seen, and afterwards nothing is missing."""

import logging
import os
import time
from pathlib import Path

import asyncpg
from tests.system.scenario import Scenario, eventually, leads, organization, running

from console.accounting import count_intents
from console.connection import clients, platform_token
from console.conservation import check_conservation
from console.outboxes import read_backlogs
from console.system import System
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2, policy_pb2

MESSAGES = int(os.environ.get("WHATLEAD_TEST_MESSAGES_WITHOUT_AUDIT", "2000"))
MANY = MESSAGES > 10_000
"""Then the provider answers at once and tells nothing afterwards, and no pace holds the campaign up."""
_log = logging.getLogger(__name__)
SECONDS = 60 + MESSAGES / 50


async def waiting(system: System) -> dict[str, int]:
    """Return how many items of each sender wait for audit, as an operator sees it."""
    async with clients(system.connection, platform_token(system.data_dir)) as stubs:
        found = await read_backlogs(stubs.outboxes)
    return {
        service: sum(one.waiting_items for one in ones if one.receiver == "audit") for service, ones in found.items()
    }


async def open_jobs(scenario: Scenario) -> int:
    """Return how many are on their way: at most one page is looked at."""
    open_states = [executor_pb2.JOB_STATE_READY, executor_pb2.JOB_STATE_SENDING]
    if not MANY:
        open_states.append(executor_pb2.JOB_STATE_SENT)  # until it is read
    count = await count_intents(scenario.stubs, intent_pb2.INTENT_STATE_QUEUED)
    for state in open_states:
        request = executor_pb2.ListJobsRequest(state=state, page_size=1_000)
        count += len((await scenario.stubs.executor.ListJobs(request, timeout=30)).jobs)
    return count


async def test_nothing_is_lost_or_counted_twice_while_audit_is_away(tmp_path: Path) -> None:
    provider = {"WHATLEAD_PROVIDER_OVERRIDE": "noop"} if MANY else {}
    async with running(tmp_path, **provider) as system, organization(system, "acme") as scenario:
        if MANY:
            free = policy_pb2.UpdatePolicyRequest(request_id="no-pace", policy=policy_pb2.Policy())
            await scenario.stubs.policies.UpdatePolicy(free, timeout=30)
        await system.processes["audit"].stop()
        began = time.monotonic()
        results = await scenario.submit(leads(MESSAGES))
        assert not [result for result in results if result.outcome == "ERROR"]
        submitted = time.monotonic()
        backlog = await eventually(
            lambda: waiting(system), lambda found: found["executor"] >= MESSAGES // 4, seconds=SECONDS
        )
        if MANY:
            await eventually(lambda: open_jobs(scenario), lambda count: count == 0, seconds=SECONDS)
            backlog = await waiting(system)
        assert backlog["gate"] >= MESSAGES, "every decision waits"
        away = time.monotonic()
        await system.restart("audit")
        await eventually(lambda: open_jobs(scenario), lambda count: count == 0, seconds=SECONDS)
        sent = time.monotonic()
        await eventually(lambda: waiting(system), lambda found: sum(found.values()) == 0, seconds=SECONDS)
        drained = time.monotonic()
        found = await check_conservation(scenario.stubs, days=1)
        assert found.problems == []
        assert found.intents == MESSAGES
        volume = await scenario.volume()
        assert volume.approved.total == volume.sent.total == found.jobs == MESSAGES
        assert volume.read.total == (0 if MANY else MESSAGES)
        _log.info(
            "%d messages: submitted in %.1f s; %d events waited when audit came back; all sent %.1f s later, and all %d"
            " events stored %.1f s later",
            *(MESSAGES, submitted - began, sum(backlog.values()), sent - away, found.events, drained - away),
        )
        await planted_loss_is_found(system, scenario)


async def planted_loss_is_found(system: System, scenario: Scenario) -> None:
    """The check is no use if it holds whatever is missing."""
    connection = await asyncpg.connect(system.postgres.url(user="postgres", database="whatlead"))
    try:
        await connection.execute("SET search_path = audit; ALTER TABLE operational_event DISABLE TRIGGER USER")
        lost = await connection.fetch(
            "DELETE FROM operational_event WHERE event_id IN"
            " (SELECT event_id FROM operational_event WHERE aggregate_type = 'INTENT' ORDER BY random() LIMIT 3)"
            " RETURNING aggregate_id"
        )
    finally:
        await connection.close()

    found = await check_conservation(scenario.stubs, days=1)
    assert {problem.intent_id for problem in found.problems} == {row["aggregate_id"] for row in lost}
