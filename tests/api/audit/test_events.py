"""EventService over real gRPC: who may record what, lists, streams."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
import pytest
from google.rpc import error_details_pb2
from tests.serving import RunningServer
from tests.stores.audit.facts import about, message, paused, stamp

from audit.application import watching
from audit.application.watching import Announcements
from audit.domain.arrival import Arrival
from audit.infrastructure.parsing import parse
from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub


def events_of(audit: RunningServer, service: str) -> EventServiceStub:
    return EventServiceStub(audit.internal_channel(service=service))


def reader_of(audit: RunningServer, role: str = "owner", organization_id: str = "acme") -> EventServiceStub:
    return EventServiceStub(audit.public_channel(role=role, organization_id=organization_id))


def ids(response: event_pb2.ListEventsResponse | event_pb2.WatchEventsResponse) -> list[str]:
    return [stored.event.event_id for stored in response.events]


def id_of(body: bytes) -> str:
    return event_pb2.OperationalEvent.FromString(body).event_id


def sent(**fields: object) -> bytes:
    return about(str(uuid7()), 1, "MESSAGE_SENT", at=datetime.now(UTC), **fields)


@pytest.mark.parametrize(
    ("producer", "type_"),
    [("gate", "MESSAGE_BLOCKED"), ("executor", "MESSAGE_SENT"), ("control", "EXECUTION_PAUSED")],
)
async def test_each_service_records_its_own_events(audit: RunningServer, producer: str, type_: str) -> None:
    body = message(type_).SerializeToString()
    answer = await events_of(audit, producer).RecordEvents(event_pb2.RecordEventsRequest(events=[body]))
    assert not answer.refusals
    assert ids(await reader_of(audit).ListEvents(event_pb2.ListEventsRequest())) == [id_of(body)]


async def test_refused_items_come_back_with_a_status_and_the_rest_is_taken(audit: RunningServer) -> None:
    good, foreign = sent(), message("MESSAGE_BLOCKED").SerializeToString()
    changed = event_pb2.OperationalEvent.FromString(good)
    changed.reason = "FORGED"
    request = event_pb2.RecordEventsRequest(events=[good, b"\xff", foreign, changed.SerializeToString(), good])
    for _ in range(2):
        answer = await events_of(audit, "executor").RecordEvents(request)
        found = {}
        for refusal in answer.refusals:
            info = error_details_pb2.ErrorInfo()
            assert refusal.status.details[0].Unpack(info)
            found[refusal.item_id] = (refusal.status.code, info.domain, info.reason)
        assert found == {
            "#1": (grpc.StatusCode.INVALID_ARGUMENT.value[0], "whatlead", "INVALID_FIELD"),
            id_of(foreign): (grpc.StatusCode.PERMISSION_DENIED.value[0], "whatlead", "ROLE_NOT_ALLOWED"),
            id_of(good): (grpc.StatusCode.ALREADY_EXISTS.value[0], "whatlead", "CONFLICTING_DUPLICATE"),
        }
    listed = await reader_of(audit).ListEvents(event_pb2.ListEventsRequest())
    assert [stored.event.SerializeToString() for stored in listed.events] == [good]


@pytest.mark.parametrize("role", ["owner", "admin", "member", "platform"])
async def test_no_caller_records_events(audit: RunningServer, role: str) -> None:
    with pytest.raises(Failure) as caught:
        await reader_of(audit, role).RecordEvents(event_pb2.RecordEventsRequest(events=[sent()]))
    assert caught.value.kind is Kind.PERMISSION_DENIED


async def test_a_stranger_with_a_certificate_records_nothing(audit: RunningServer) -> None:
    with pytest.raises(Failure) as caught:
        await events_of(audit, "stranger").RecordEvents(event_pb2.RecordEventsRequest(events=[sent()]))
    assert caught.value.kind is Kind.PERMISSION_DENIED


async def test_a_member_may_not_read_events(audit: RunningServer) -> None:
    member = reader_of(audit, "member")
    with pytest.raises(Failure) as caught:
        await member.ListEvents(event_pb2.ListEventsRequest())
    assert (caught.value.kind, caught.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
    with pytest.raises(Failure) as caught:
        async for _ in member.WatchEvents(event_pb2.WatchEventsRequest()):
            pass
    assert caught.value.kind is Kind.PERMISSION_DENIED


async def test_pages_hold_every_event_once_and_a_token_is_bound_to_its_list(audit: RunningServer) -> None:
    bodies = [sent() for _ in range(7)]
    await events_of(audit, "executor").RecordEvents(event_pb2.RecordEventsRequest(events=bodies))
    reader = reader_of(audit)
    seen: list[str] = []
    request = event_pb2.ListEventsRequest(page_size=3)
    tokens = []
    while True:
        page = await reader.ListEvents(request)
        seen += ids(page)
        if not page.next_page_token:
            break
        tokens.append(page.next_page_token)
        request.page_token = page.next_page_token
    assert seen == sorted((id_of(body) for body in bodies), reverse=True)
    assert len(tokens) == 2
    for other, changed in [
        (reader_of(audit, organization_id="other"), event_pb2.ListEventsRequest(page_token=tokens[0])),
        (reader, event_pb2.ListEventsRequest(page_token=tokens[0], campaign_id="x")),
        (reader, event_pb2.ListEventsRequest(page_token="nonsense")),
    ]:
        with pytest.raises(Failure) as caught:
            await other.ListEvents(changed)
        assert caught.value.reason == "INVALID_PAGE_TOKEN"
    assert not ids(await reader_of(audit, organization_id="other").ListEvents(event_pb2.ListEventsRequest()))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (event_pb2.ListEventsRequest(page_size=1_001), "page_size"),
        (event_pb2.ListEventsRequest(page_size=-1), "page_size"),
        (event_pb2.ListEventsRequest(types=[0]), "types[0]"),
        (event_pb2.ListEventsRequest(types=[99]), "types[0]"),
        (event_pb2.ListEventsRequest(campaign_id="a\0b"), "campaign_id"),
        (event_pb2.ListEventsRequest(instance_id="\0"), "instance_id"),
        (event_pb2.ListEventsRequest(aggregate_id="\0"), "aggregate_id"),
        (event_pb2.ListEventsRequest(aggregate_id="x" * 65), "aggregate_id"),
    ],
)
async def test_bad_fields_are_named(audit: RunningServer, request_: event_pb2.ListEventsRequest, field: str) -> None:
    with pytest.raises(Failure) as caught:
        await reader_of(audit).ListEvents(request_)
    assert caught.value.kind is Kind.INVALID_ARGUMENT
    assert field in [violation.field for violation in caught.value.violations]


async def test_a_time_that_cannot_be_is_refused(audit: RunningServer) -> None:
    request = event_pb2.ListEventsRequest()
    request.start_time.seconds = 2**62
    with pytest.raises(Failure) as caught:
        await reader_of(audit).ListEvents(request)
    assert caught.value.kind is Kind.INVALID_ARGUMENT


async def test_a_list_can_be_bounded_in_time(audit: RunningServer) -> None:
    body = sent()
    await events_of(audit, "executor").RecordEvents(event_pb2.RecordEventsRequest(events=[body]))
    at = event_pb2.OperationalEvent.FromString(body).occurred_at
    reader = reader_of(audit)
    assert ids(await reader.ListEvents(event_pb2.ListEventsRequest(start_time=at))) == [id_of(body)]
    assert not ids(await reader.ListEvents(event_pb2.ListEventsRequest(end_time=at)))


async def test_watch_streams_what_is_stored_for_its_organization_and_filter(audit: RunningServer) -> None:
    stream = reader_of(audit).WatchEvents(
        event_pb2.WatchEventsRequest(types=[event_pb2.EVENT_TYPE_MESSAGE_SENT, event_pb2.EVENT_TYPE_EXECUTION_PAUSED])
    )
    assert ids(await stream.read()) == []
    wanted, duplicate = sent(), sent()
    unwanted = [about(str(uuid7()), 1, "MESSAGE_HELD"), sent(organization_id="other")]
    executor = events_of(audit, "executor")
    await executor.RecordEvents(event_pb2.RecordEventsRequest(events=[duplicate]))
    await executor.RecordEvents(event_pb2.RecordEventsRequest(events=[*unwanted, duplicate, wanted]))
    platform = paused("c-1", "EXECUTION_PAUSED", "PLATFORM", "", at=datetime.now(UTC))
    await events_of(audit, "control").RecordEvents(event_pb2.RecordEventsRequest(events=[platform]))
    seen: list[str] = []
    async with asyncio.timeout(10):
        while len(seen) < 3:
            seen += ids(await stream.read())
    assert seen == [id_of(duplicate), id_of(wanted), id_of(platform)]
    stream.cancel()


async def test_watch_has_a_heartbeat(audit: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.grpc_api.HEARTBEAT_SECONDS", 0.05)
    stream = reader_of(audit).WatchEvents(event_pb2.WatchEventsRequest())
    async with asyncio.timeout(5):
        for _ in range(4):
            assert not (await stream.read()).events
    stream.cancel()


def arrivals(count: int) -> Sequence[Arrival]:
    """Make events as ingest announces them."""
    now = datetime.now(UTC)
    parsed = [parse(0, sent(), peer="executor", recorded_at=now) for _ in range(count)]
    return [one for one in parsed if isinstance(one, Arrival)]


async def test_a_reader_that_is_too_slow_is_cut_off_and_holds_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_WAITING", 10)
    announcements = Announcements()
    with announcements.watching(organization_id="acme", types=frozenset(), campaign_id="") as slow:
        announcements.announce(arrivals(11))
        assert len(slow) == 0
        announcements.announce(arrivals(100))
        assert len(slow) == 0
        with pytest.raises(Failure) as caught:
            await slow.next(1)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "UNAVAILABLE")
    with announcements.watching(organization_id="acme", types=frozenset(), campaign_id="") as quick:
        announcements.announce(arrivals(10))
        assert len(await quick.next(1)) == 10
        assert await quick.next(0.01) == ()


async def test_a_stored_event_tells_when_it_was_recorded(audit: RunningServer) -> None:
    before = datetime.now(UTC)
    await events_of(audit, "executor").RecordEvents(event_pb2.RecordEventsRequest(events=[sent()]))
    (stored,) = (await reader_of(audit).ListEvents(event_pb2.ListEventsRequest())).events
    assert (
        stamp(before).ToNanoseconds() <= stored.recorded_at.ToNanoseconds() <= stamp(datetime.now(UTC)).ToNanoseconds()
    )
