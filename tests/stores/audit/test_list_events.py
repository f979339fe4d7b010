"""The log as a list: newest first, page by page, one organization's and the platform's."""

from datetime import timedelta
from uuid import UUID

import pytest
from tests.postgres import Databases
from tests.stores.audit.facts import NOW, about, paused, record

from audit.infrastructure.postgres_reads import LAST_ID, Listing, PostgresLists
from chassis.database import Database
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2


@pytest.fixture
async def database(databases: Databases) -> Database:
    return await databases.database("audit")


async def listed(database: Database, before: UUID = LAST_ID, size: int = 100, **asked: object) -> list[str]:
    """Return the ids of a page."""
    listing = Listing(organization_id="acme", **asked)  # type: ignore[arg-type]
    page = await PostgresLists(database).newest(listing, before=before, size=size)
    for one in page:
        assert event_pb2.OperationalEvent.FromString(one.body).event_id == str(one.event_id)
    return [str(one.event_id) for one in page]


def id_of(body: bytes) -> str:
    return event_pb2.OperationalEvent.FromString(body).event_id


async def test_pages_hold_every_event_once_newest_first_with_the_platforms_and_nobody_elses(database: Database) -> None:
    own = [about(str(uuid7()), 1, "MESSAGE_SENT", at=NOW - timedelta(minutes=n)) for n in range(9)]
    platform = paused("c-1", "EXECUTION_PAUSED", "PLATFORM", "", at=NOW - timedelta(seconds=90))
    foreign = about(str(uuid7()), 1, "MESSAGE_SENT", organization_id="other")
    await record(database, *own, platform, foreign)
    expected = sorted((id_of(body) for body in (*own, platform)), reverse=True)
    assert await listed(database) == expected
    seen: list[str] = []
    while page := await listed(database, before=UUID(seen[-1]) if seen else LAST_ID, size=3):
        assert len(page) <= 3
        seen += page
    assert seen == expected


async def test_filters_must_all_match(database: Database) -> None:
    intent_id = str(uuid7())
    blocked = about(intent_id, 1, "MESSAGE_BLOCKED", campaign_id="a", instance_id="x", at=NOW - timedelta(hours=2))
    sent = about(intent_id, 2, "MESSAGE_SENT", campaign_id="a", instance_id="x", at=NOW - timedelta(hours=1))
    other = about(str(uuid7()), 1, "MESSAGE_SENT", campaign_id="b", instance_id="y")
    await record(database, blocked, sent, other)
    assert await listed(database, types=["MESSAGE_SENT"]) == [id_of(other), id_of(sent)]
    assert await listed(database, types=["MESSAGE_SENT"], campaign_id="a") == [id_of(sent)]
    assert await listed(database, instance_id="y") == [id_of(other)]
    assert await listed(database, aggregate_id=intent_id) == [id_of(sent), id_of(blocked)]
    assert await listed(database, aggregate_id=intent_id, types=["MESSAGE_BLOCKED"]) == [id_of(blocked)]
    assert await listed(database, start=NOW - timedelta(hours=1)) == [id_of(other), id_of(sent)]
    assert await listed(database, until=NOW - timedelta(hours=1)) == [id_of(blocked)]
    assert await listed(database, campaign_id="nobody's") == []
