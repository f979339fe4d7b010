"""The webhooks' inbox on PostgreSQL: statuses come late, twice, out of order, and before their own answer."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tests.stores.executor.test_upkeep import rescue, take
from tests.stores.executor.world import LANE, World, new_job, until

from executor.application.deliveries import Deliveries
from executor.domain.change import Change
from executor.domain.job import NewJob, TakenJob
from executor.domain.outcome import Outcome, Rejected, Sent, Unknown
from executor.domain.settling import RetryPolicy, Timing, settle
from executor.infrastructure.postgres_operations import PostgresJobs
from executor.infrastructure.whatsapp_statuses import read_statuses
from kernel.ids import uuid7


@dataclass
class Mail:
    """A world with an inbox."""

    world: World
    jobs: PostgresJobs
    deliveries: Deliveries
    dropped: list[int]

    async def post(self, *statuses: dict[str, Any], account: str = LANE.provider_account) -> None:
        await self.jobs.keep_webhooks([(uuid7(), webhook(*statuses, account=account))])

    async def work_off(self) -> tuple[int, int]:
        return await self.deliveries.work_off(entries=100)

    async def sending(self, **values: Any) -> tuple[NewJob, TakenJob]:
        job = new_job(**values)
        await self.world.accept(job)
        (taken,) = await take(self.world, lease_seconds=30.0)
        return job, taken

    async def settled(self, outcome: Outcome) -> NewJob:
        job, taken = await self.sending()
        await self.store(taken, outcome)
        return job

    async def store(self, taken: TakenJob, outcome: Outcome) -> None:
        timing = Timing(began_at=datetime.now(UTC), ended_at=datetime.now(UTC))
        change = settle(taken.job, outcome, timing=timing, policy=RetryPolicy(), chance=0.5)
        self.world.outcomes.opened(taken.job.lease_token or uuid7(), 1)
        await self.world.outcomes._store([change])

    async def types(self, job: NewJob) -> list[str]:
        await self.world.outbox.flush()
        return self.world.told.types(job.intent_id)

    async def no_grace(self) -> None:
        await self.world.sql("UPDATE webhook_inbox SET received_at = now() - interval '5 s', process_after = now()")


@pytest.fixture
async def mail(service_database) -> Mail:  # type: ignore[no-untyped-def]
    world = World.on(await service_database("executor"))
    jobs = PostgresJobs(world.database, world.outbox)
    dropped: list[int] = []

    def stored(changes: Sequence[Change]) -> None:
        return

    deliveries = Deliveries(
        begin=jobs.begin,
        parse=read_statuses,
        policy=world.policy,
        clock=world.clock,
        chance=random.random,
        stored=stored,
        dropped=dropped.append,
    )
    return Mail(world=world, jobs=jobs, deliveries=deliveries, dropped=dropped)


def status(job: NewJob, name: str, *, attempt: int = 1, code: int | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": f"wamid.{job.intent_id}",
        "status": name,
        "timestamp": "1750000000",
        "recipient_id": "5511987654321",
        "biz_opaque_callback_data": f"{job.intent_id}.{attempt}",
    }
    if code is not None:
        told["errors"] = [{"code": code, "title": "…"}]
    return told


def webhook(*statuses: dict[str, Any], account: str) -> bytes:
    value = {"metadata": {"phone_number_id": account}, "statuses": list(statuses)}
    return orjson.dumps({"object": "x", "entry": [{"id": "0", "changes": [{"field": "messages", "value": value}]}]})


SENT = Sent(provider_message_id="wamid.1")


async def test_statuses_move_a_sent_job_on(mail: Mail) -> None:
    job = await mail.settled(SENT)
    for name in ("sent", "delivered", "read"):
        await mail.post(status(job, name))
        await mail.work_off()
    assert await mail.world.state(job) == "READ"
    assert await mail.types(job) == ["SEND_STARTED", "SENT", "DELIVERED", "READ"]
    assert not await mail.world.sql("SELECT inbox_id FROM webhook_inbox")


async def test_repeats_and_disorder_change_nothing(mail: Mail) -> None:
    job = await mail.settled(SENT)
    for name in ("read", "delivered", "sent", "read", "delivered"):
        await mail.post(status(job, name), status(job, name))
        await mail.work_off()
    assert await mail.world.state(job) == "READ"
    assert await mail.types(job) == ["SEND_STARTED", "SENT", "READ"]


async def test_several_statuses_of_one_job_in_one_batch_are_told_in_their_order(mail: Mail) -> None:
    job = await mail.settled(SENT)
    await mail.post(status(job, "read"), status(job, "sent"))
    await mail.post(status(job, "delivered"))
    await mail.work_off()
    assert await mail.types(job) == ["SEND_STARTED", "SENT", "DELIVERED", "READ"]


@pytest.mark.parametrize("name", ["sent", "delivered", "read"])
async def test_a_status_settles_an_unknown_outcome(mail: Mail, name: str) -> None:
    job = await mail.settled(Unknown(reason="TIMEOUT"))
    await mail.post(status(job, name))
    await mail.work_off()
    assert await mail.world.state(job) == name.upper()
    following = [] if name == "sent" else [name.upper()]
    assert await mail.types(job) == ["SEND_STARTED", "OUTCOME_UNKNOWN", "OUTCOME_RESOLVED", *following]
    resolved = mail.world.told.of(job.intent_id)[2]
    assert (resolved.delivery.resolution, resolved.actor) == ("SENT", "provider")


async def test_a_failed_status_ends_a_sent_job_by_the_error_table(mail: Mail) -> None:
    job = await mail.settled(SENT)
    await mail.post(status(job, "failed", code=131026))
    await mail.work_off()
    assert await mail.world.state(job) == "FAILED"
    failed = (await mail.types(job), mail.world.told.of(job.intent_id)[-1])
    assert failed[0] == ["SEND_STARTED", "SENT", "FAILED"]
    assert (failed[1].reason, failed[1].delivery.provider_code) == ("RECIPIENT_NEVER", "131026")


async def test_a_failed_status_of_a_marked_class_is_tried_again(mail: Mail) -> None:
    job = await mail.settled(SENT)
    await mail.post(status(job, "failed", code=131056))
    await mail.work_off()
    assert await mail.world.state(job) == "READY"
    assert (await mail.types(job))[-1] == "RETRY_SCHEDULED"


async def test_delivered_after_failed_wins_and_failed_after_delivered_does_not(mail: Mail) -> None:
    first, second = await mail.settled(SENT), await mail.settled(SENT)
    for job, names in ((first, ("failed", "delivered")), (second, ("delivered", "failed"))):
        for name in names:
            await mail.post(status(job, name, code=131026 if name == "failed" else None))
            await mail.work_off()
    assert await mail.world.state(first) == "DELIVERED"
    assert await mail.world.state(second) == "DELIVERED"


async def test_a_status_before_its_own_answer_waits_for_it_a_moment(mail: Mail) -> None:
    job, taken = await mail.sending()
    await mail.post(status(job, "delivered"))
    assert await mail.work_off() == (1, 1)
    assert await mail.world.state(job) == "SENDING"
    await mail.store(taken, SENT)
    await mail.world.sql("UPDATE webhook_inbox SET process_after = now()")
    await mail.work_off()
    assert await mail.world.state(job) == "DELIVERED"
    assert await mail.types(job) == ["SEND_STARTED", "SENT", "DELIVERED"]
    assert mail.world.told.of(job.intent_id)[1].attempt.HasField("began_at")


async def test_a_status_whose_answer_does_not_come_says_it_was_sent_and_the_answer_merges(mail: Mail) -> None:
    job, taken = await mail.sending()
    await mail.post(status(job, "delivered"))
    await mail.no_grace()
    await mail.work_off()
    assert await mail.world.state(job) == "DELIVERED"
    await mail.store(taken, Unknown(reason="TIMEOUT"))
    await mail.store(taken, SENT)
    assert await mail.types(job) == ["SEND_STARTED", "SENT", "DELIVERED"], "a definite answer wins over none"
    row = (await mail.world.sql("SELECT outcome, began_at, delivery, contradiction FROM attempt"))[0]
    assert (row.outcome, row.delivery, row.contradiction) == ("SENT", "DELIVERED", "")
    assert row.began_at is not None


async def test_an_answer_that_contradicts_its_webhook_is_recorded(mail: Mail) -> None:
    job, taken = await mail.sending()
    await mail.post(status(job, "delivered"))
    await mail.no_grace()
    await mail.work_off()
    await mail.store(taken, Rejected(reason="RECIPIENT_NEVER"))
    assert await mail.world.state(job) == "DELIVERED"
    assert "REJECTED" in (await mail.world.sql("SELECT contradiction FROM attempt"))[0].contradiction


async def test_a_webhook_that_contradicts_a_rejection_is_recorded_once(mail: Mail) -> None:
    job = await mail.settled(Rejected(reason="RECIPIENT_NEVER"))
    for _ in range(2):
        await mail.post(status(job, "delivered"))
        await mail.work_off()
    assert await mail.world.state(job) == "FAILED"
    assert "DELIVERED" in (await mail.world.sql("SELECT contradiction FROM attempt"))[0].contradiction


async def test_a_rescued_send_is_settled_by_its_webhook(mail: Mail) -> None:
    job = new_job()
    await mail.world.accept(job)
    await take(mail.world, lease_seconds=0.0)
    await rescue(mail.world)
    await mail.post(status(job, "read"))
    await mail.work_off()
    assert await mail.world.state(job) == "READ"


async def test_statuses_about_nothing_here_are_dropped_and_counted(mail: Mail) -> None:
    job = await mail.settled(SENT)
    await mail.post(status(new_job(), "delivered"))
    await mail.post(status(job, "delivered", attempt=2))
    await mail.post(status(job, "delivered"), account="999")
    await mail.post({"status": "delivered", "id": "x", "biz_opaque_callback_data": "nonsense"})
    await mail.work_off()
    assert sum(mail.dropped) == 4
    assert await mail.world.state(job) == "SENT"


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"entry":[{"changes":"x"}]}', b'{"entry":7}', b"null"])
async def test_a_webhook_that_cannot_be_read_blocks_no_other(mail: Mail, body: bytes) -> None:
    job = await mail.settled(SENT)
    await mail.jobs.keep_webhooks([(uuid7(), body)])
    await mail.post(status(job, "delivered"))
    while (await mail.work_off())[0]:
        continue
    assert await mail.world.state(job) == "DELIVERED"
    refused = await mail.world.sql("SELECT reason FROM webhook_refused")
    assert len(refused) == (1 if body == b"not json" else 0)


async def test_the_loop_works_off_what_comes(mail: Mail) -> None:
    job = await mail.settled(SENT)
    stop = asyncio.Event()
    loop = asyncio.create_task(mail.deliveries.run(stop))
    await mail.post(status(job, "delivered"))
    mail.deliveries.wake.ring()

    async def delivered() -> bool:
        return await mail.world.state(job) == "DELIVERED"

    await until(delivered)
    stop.set()
    await loop
