"""Forgetting jobs on PostgreSQL: nothing that can still go out, and no number or text in any row of what is over."""

from uuid import UUID

import pytest
from tests.stores.executor.test_deliveries import SENT, Mail, mail, status
from tests.stores.executor.world import ORGANIZATION, new_job

from executor.application.forget import erase_jobs
from executor.domain.job import NewJob
from executor.domain.outcome import Unknown
from executor.domain.words import EraseOutcome

__all__ = ["mail"]

CANCELED, ERASED, SENDING = EraseOutcome.CANCELED, EraseOutcome.ERASED, EraseOutcome.SENDING


async def erase(mail: Mail, *intent_ids: UUID) -> list[EraseOutcome]:
    return await erase_jobs(ORGANIZATION, intent_ids, actor="ana", begin=mail.jobs.begin, clock=mail.world.clock)


async def held(mail: Mail, job: NewJob) -> list[object]:
    """Everything personal that is kept about a job."""
    rows = await mail.world.sql(
        "SELECT job.recipient, job.content, nullif(job.recipient_id, ''), nullif(provider_message_id, '')"
        " FROM job LEFT JOIN attempt USING (organization_id, intent_id) WHERE job.intent_id = :intent_id",
        intent_id=job.intent_id,
    )
    return [value for row in rows for value in row if value is not None]


async def test_what_waits_is_canceled_what_is_over_forgotten_and_what_is_being_sent_left_until_it_is_over(
    mail: Mail,
) -> None:
    over = await mail.settled(SENT)
    sending, taken = await mail.sending()
    waiting, other = new_job(), new_job()
    await mail.world.accept(waiting, other)
    ids = [over.intent_id, sending.intent_id, waiting.intent_id]
    assert await erase(mail, *ids) == [ERASED, SENDING, CANCELED]
    assert await held(mail, over) == await held(mail, waiting) == []
    assert await held(mail, sending)
    assert await held(mail, other)
    await mail.store(taken, SENT)
    for _ in range(2):  # repeating it changes nothing more
        assert await erase(mail, *ids) == [ERASED, ERASED, CANCELED]
    assert await held(mail, sending) == []
    assert await mail.types(waiting) == ["CANCELED"]
    assert mail.world.told.of(waiting.intent_id)[0].actor == "ana"
    assert await mail.types(sending) == ["SEND_STARTED", "SENT"]


async def test_what_arrives_after_it_was_erased_is_canceled_and_leaves_nothing(mail: Mail) -> None:
    job = new_job()
    assert await erase(mail, job.intent_id) == [CANCELED]
    assert await mail.world.accept(job) == 1
    assert await mail.world.state(job) == "CANCELED"
    assert await held(mail, job) == []


async def test_a_webhook_still_settles_a_forgotten_job_and_brings_nothing_back(mail: Mail) -> None:
    job = await mail.settled(Unknown(reason="TIMEOUT"))
    assert await erase(mail, job.intent_id) == [ERASED]
    await mail.post(status(job, "delivered"))
    await mail.work_off()
    assert await mail.world.state(job) == "DELIVERED"
    assert await held(mail, job) == []


@pytest.mark.parametrize("outcome", [SENT, Unknown(reason="TIMEOUT")])
async def test_a_forgotten_job_that_would_be_tried_again_ends_instead(mail: Mail, outcome: Unknown) -> None:
    job = await mail.settled(outcome)
    await erase(mail, job.intent_id)
    await mail.post(status(job, "failed", code=131056))
    await mail.work_off()
    assert await mail.world.state(job) == "CANCELED"
    assert (await mail.types(job))[-2:] == ["RETRY_SCHEDULED", "CANCELED"]
    assert not await mail.world.sql("SELECT inbox_id FROM webhook_refused")
