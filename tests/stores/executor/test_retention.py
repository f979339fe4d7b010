"""Retention in the executor: what is over goes with its attempts, what may still be settled stays without a name."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.stores.executor.test_deliveries import SENT, Mail, mail
from tests.stores.executor.test_forget import erase, held
from tests.stores.executor.world import new_job

from chassis import retention
from executor.domain.outcome import Unknown
from executor.infrastructure.retention import Retention
from kernel.ids import uuid7, uuid7_at

__all__ = ["mail"]

NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=90)
OLD = NOW - timedelta(days=91)


def old() -> dict[str, object]:
    return {"intent_id": uuid7_at(OLD)}


@pytest.fixture
def letting_go(mail: Mail) -> Retention:
    return Retention(mail.world.database, mail.world.outbox)


async def test_old_jobs_that_are_over_go_and_others_stay(mail: Mail, letting_go: Retention) -> None:
    young = await mail.settled(SENT)
    over, taken = await mail.sending(**old())
    await mail.store(taken, SENT)
    open_, taken = await mail.sending(**old())
    await mail.store(taken, Unknown(reason="TIMEOUT"))
    sending, _ = await mail.sending(**old())
    waiting = new_job(**old())
    await mail.world.accept(waiting)
    assert not await letting_go.jobs(BEFORE)
    assert await mail.world.states() == {
        young.intent_id: "SENT",
        open_.intent_id: "UNKNOWN",
        sending.intent_id: "SENDING",
        waiting.intent_id: "READY",
    }
    assert await held(mail, over) == await held(mail, open_) == []
    assert not await mail.world.sql("SELECT number FROM attempt WHERE intent_id = :id", id=over.intent_id)
    for job in (young, sending, waiting):
        assert await held(mail, job)


async def test_it_takes_a_bounded_step_and_tells_that_there_is_more(
    mail: Mail, letting_go: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.infrastructure.retention.A_STEP", 3)
    await mail.world.accept(*(new_job(**old()) for _ in range(7)))
    await mail.world.sql("UPDATE job SET state = 'EXPIRED', next_attempt_at = NULL")
    steps = 1
    while await letting_go.jobs(BEFORE):
        steps += 1
    assert steps == 3
    assert not await mail.world.states()
    assert retention.A_STEP == 500


async def test_what_answers_repeats_and_what_was_set_aside_goes_with_its_age(mail: Mail, letting_go: Retention) -> None:
    await erase(mail, uuid7())
    await mail.world.sql(
        "INSERT INTO request (organization_id, request_id, method, fingerprint, answer) VALUES ('o', 'r', 'm', '', '')"
    )
    await mail.world.sql(
        "INSERT INTO webhook_refused (inbox_id, provider, body, reason) VALUES (gen_random_uuid(), 'whatsapp', '', 'x')"
    )
    await mail.world.sql(
        "INSERT INTO outbox_refused (receiver, item_id, payload, reason, message) VALUES ('audit', 'i', '', 'r', 'm')"
    )
    tables = {
        "request": "created_at",
        "tombstone": "created_at",
        "webhook_refused": "refused_at",
        "outbox_refused": "refused_at",
    }
    for step in letting_go.steps.values():
        await step(BEFORE)
    for table, moment in tables.items():
        assert len(await mail.world.sql(f"SELECT 1 FROM {table}")) == 1, table
        await mail.world.sql(f"UPDATE {table} SET {moment} = :old", old=OLD)
    for step in letting_go.steps.values():
        await step(BEFORE)
    for table in tables:
        assert not await mail.world.sql(f"SELECT 1 FROM {table}"), table
