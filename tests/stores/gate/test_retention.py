"""Retention in the gate: old intents lose whom they were for and what they said, and never send twice all the same."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.stores.gate.parts import START, Part, accepted, new_intent, part

from chassis.database import Database
from gate.domain.policy import Policy
from gate.infrastructure.retention import Retention
from kernel.errors import Failure

BEFORE = START - timedelta(days=90)
NAMELESS = "number_hash IS NULL AND recipient_id IS NULL AND sealed = '' AND content_hash = '' AND content_digest = ''"


@pytest.fixture
async def gate(service_database: Callable[[str], Awaitable[Database]]) -> Part:
    one = part(await service_database("gate"))
    await one.provision(Policy(), "inst-1")
    return one


def letting_go(gate: Part) -> Retention:
    return Retention(gate.database, gate.outbox)


async def forget(gate: Part) -> int:
    """Take the step until nothing is left; return how often there was something."""
    steps = 0
    while await letting_go(gate).intents(BEFORE):
        steps += 1
    return steps


async def count(gate: Part, what: str) -> int:
    ((found,),) = await gate.sql(f"SELECT count(*) FROM {what}")
    return int(found)


async def test_old_intents_are_forgotten_and_young_ones_are_not(gate: Part) -> None:
    old, kept = [new_intent() for _ in range(3)], new_intent()
    gate.clock.at = BEFORE - timedelta(seconds=1)
    await gate.submit(*old)
    gate.clock.at = START
    await gate.submit(kept, replace(old[0], request_id="again", content_digest=b"other", content_hash=b"other"))
    await forget(gate)
    assert await count(gate, f"intent WHERE {NAMELESS}") == 3
    assert await count(gate, "intent WHERE sealed <> ''") == 2
    assert await count(gate, "recipient") == 2, "who has a younger intent stays known"
    results = await gate.submit(old[0])
    assert isinstance(results[0], Failure)
    assert results[0].reason == "FORGOTTEN"


async def test_suppressions_stay(gate: Part) -> None:
    gate.clock.at = BEFORE - timedelta(seconds=1)
    intent = new_intent()
    await gate.submit(intent)
    async with gate.store.work() as tx:
        await tx.suppressions.add("demo", [intent.number_hash or b""], by="ana", reason="asked", at=gate.clock.now())
    gate.clock.at = START
    await forget(gate)
    anew = replace(intent, request_id="again")
    assert accepted(await gate.submit(anew))[0].recorded.decision.reason == "OPTED_OUT"


async def test_many_are_forgotten_in_bounded_steps_and_none_is_read_again(
    gate: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.infrastructure.retention.A_STEP", 4)
    gate.clock.at = BEFORE - timedelta(seconds=1)
    await gate.submit(*(new_intent() for _ in range(10)))
    gate.clock.at = START
    assert await forget(gate) == 4
    assert await count(gate, f"intent WHERE {NAMELESS}") == 10
    assert await count(gate, "recipient") == 0
    assert await forget(gate) == 0


async def test_signals_answers_and_refused_items_go_with_their_age(gate: Part) -> None:
    await gate.sql(
        "WITH made AS ("
        "INSERT INTO signal (organization_id, signal_id, instance_id, kind, count, code, occurred_at, source)"
        " VALUES ('demo', 's', 'i', 'SENT', 1, '', now(), 'executor'))"
        " INSERT INTO outbox_refused (receiver, item_id, payload, reason, message)"
        " VALUES ('executor', 'i', 'number and text', 'r', 'm') RETURNING 1"
    )
    old = {"signal": "occurred_at", "mutation": "created_at", "outbox_refused": "refused_at"}
    retention = letting_go(gate)
    for table, moment in old.items():
        for step in (retention.signals, retention.mutations, retention.refused):
            assert not await step(BEFORE)
        before = await count(gate, table)
        assert before
        await gate.sql(f"UPDATE {table} SET {moment} = '2026-01-01' RETURNING 1")
    for step in (retention.signals, retention.mutations, retention.refused):
        assert not await step(BEFORE)
    for table in old:
        assert await count(gate, table) == 0, table
