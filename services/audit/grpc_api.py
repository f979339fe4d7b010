"""Answer calls about events and timelines: translate, ask, translate back. Decides nothing and knows no table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import grpc
import structlog

from audit.application.record_events import Kept
from audit.application.watching import Announcements
from audit.domain.arrival import CONFLICTING_DUPLICATE, Refused
from audit.domain.event import EventType
from audit.domain.stop import Stop
from audit.domain.timeline import Timeline
from audit.infrastructure.parsing import TYPES
from audit.infrastructure.postgres_reads import EARLIEST, LAST_ID, LATEST, Listing, Stored
from audit.infrastructure.wire import (
    asked_moment,
    no_zero_bytes,
    pause_response,
    stored_event,
    timeline_response,
)
from chassis import paging
from chassis.errors_grpc import to_status
from chassis.identity import current_caller, current_peer
from chassis.interceptors import note
from chassis.telemetry import meter
from kernel.errors import Failure, Kind, Violation, invalid
from whatlead.audit.v1 import (
    event_pb2,
    event_pb2_grpc,
    timeline_pb2,
    timeline_pb2_grpc,
)
from whatlead.error.v1 import error_pb2

HEARTBEAT_SECONDS = 5.0
DEFAULT_PAGE = 50
LARGEST_PAGE = 1_000

log = structlog.get_logger()
_refused = meter.create_counter("whatlead.audit.events.refused", description="Events set aside, by reason.")

_NUMBERS = {one: number for number, one in TYPES.items()}
_REFUSAL_KINDS = {
    CONFLICTING_DUPLICATE: Kind.ALREADY_EXISTS,
    "ROLE_NOT_ALLOWED": Kind.PERMISSION_DENIED,
}

Context = grpc.aio.ServicerContext[Any, Any]


class Record(Protocol):
    """Store the events of a peer."""

    def __call__(self, items: Sequence[bytes], *, peer: str) -> Awaitable[Kept]: ...


class Page(Protocol):
    """Read the newest events with ids below one."""

    def __call__(self, asked: Listing, *, before: UUID, size: int) -> Awaitable[Sequence[Stored]]: ...


class Tally(Protocol):
    """Say which events of intents are stored."""

    def __call__(
        self, organization_id: str, intent_ids: Sequence[UUID]
    ) -> Awaitable[Mapping[str, Sequence[tuple[int, EventType]]]]: ...


class EventApi(event_pb2_grpc.EventServiceServicer):
    """EventService."""

    def __init__(self, *, record: Record, page: Page, tally: Tally, announcements: Announcements) -> None:
        self._record = record
        self._page = page
        self._tally = tally
        self._announcements = announcements

    async def RecordEvents(  # noqa: N802
        self, request: event_pb2.RecordEventsRequest, context: Context
    ) -> event_pb2.RecordEventsResponse:
        """Store what is new; name what was set aside."""
        peer = current_peer().service
        kept = await self._record(request.events, peer=peer)
        note(items=len(request.events), new=len(kept.new), refused=len(kept.refused))
        for refused in kept.refused:
            _alarm(refused, peer)
        return event_pb2.RecordEventsResponse(refusals=[_refusal(refused) for refused in kept.refused])

    async def ListEvents(  # noqa: N802
        self, request: event_pb2.ListEventsRequest, context: Context
    ) -> event_pb2.ListEventsResponse:
        """List the organization's events, newest first."""
        organization_id = current_caller().organization_id
        asked = _listing(organization_id, request)
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        bound_to = _filter_of(request)
        before = LAST_ID
        if request.page_token:
            before = UUID(paging.decode(request.page_token, organization_id=organization_id, filter=bound_to))
        found = await self._page(asked, before=before, size=size + 1)
        response = event_pb2.ListEventsResponse(
            events=[stored_event(one.body, one.recorded_at) for one in found[:size]]
        )
        if len(found) > size:
            response.next_page_token = paging.encode(
                organization_id=organization_id, filter=bound_to, position=str(found[size - 1].event_id)
            )
        return response

    async def WatchEvents(  # noqa: N802
        self, request: event_pb2.WatchEventsRequest, context: Context
    ) -> AsyncIterator[event_pb2.WatchEventsResponse]:
        """Stream what is stored from now on; an empty message tells that the stream stands."""
        no_zero_bytes(campaign_id=request.campaign_id)
        with self._announcements.watching(
            organization_id=current_caller().organization_id,
            types=frozenset(TYPES[number] for number in request.types),
            campaign_id=request.campaign_id,
        ) as watcher:
            yield event_pb2.WatchEventsResponse()
            while True:
                batch = await watcher.next(HEARTBEAT_SECONDS)
                yield event_pb2.WatchEventsResponse(events=[stored_event(one.body, one.recorded_at) for one in batch])

    async def TallyIntents(  # noqa: N802
        self, request: event_pb2.TallyIntentsRequest, context: Context
    ) -> event_pb2.TallyIntentsResponse:
        """Say which events are stored of each intent."""
        intent_ids = [UUID(intent_id) for intent_id in request.intent_ids]
        tallies = await self._tally(current_caller().organization_id, intent_ids)
        response = event_pb2.TallyIntentsResponse()
        for asked, intent_id in zip(request.intent_ids, intent_ids, strict=True):
            one = response.tallies.add(intent_id=asked)
            for sequence, kind in tallies.get(str(intent_id), ()):
                one.events.add(sequence=sequence, type=_NUMBERS[kind])
        return response


class TimelineApi(timeline_pb2_grpc.TimelineServiceServicer):
    """TimelineService."""

    def __init__(
        self,
        *,
        explain: Callable[..., Awaitable[Timeline]],
        explain_pause: Callable[..., Awaitable[Stop]],
    ) -> None:
        self._explain = explain
        self._explain_pause = explain_pause

    async def GetMessageIntentTimeline(  # noqa: N802
        self, request: timeline_pb2.GetMessageIntentTimelineRequest, context: Context
    ) -> timeline_pb2.GetMessageIntentTimelineResponse:
        """Tell the life of an intent of the caller's organization."""
        try:
            intent_id = UUID(request.intent_id)
        except ValueError:
            raise invalid(Violation(field="intent_id", description="must be a UUID")) from None
        note(intent_id=str(intent_id))
        organization_id = current_caller().organization_id
        timeline = await self._explain(organization_id=organization_id, intent_id=intent_id)
        return timeline_response(str(intent_id), timeline)

    async def GetPauseTimeline(  # noqa: N802
        self, request: timeline_pb2.GetPauseTimelineRequest, context: Context
    ) -> timeline_pb2.GetPauseTimelineResponse:
        """Tell when sending really stopped for a pause that concerns the caller's organization."""
        no_zero_bytes(campaign_id=request.campaign_id, instance_id=request.instance_id)
        stop = await self._explain_pause(
            organization_id=current_caller().organization_id,
            control_id=request.control_id.lower(),
            campaign_id=request.campaign_id,
            instance_id=request.instance_id,
        )
        note(control_id=stop.control_id)
        return pause_response(stop)


def _alarm(refused: Refused, peer: str) -> None:
    """Say aloud what was set aside, without its content. A changed event is either a bug or a forgery."""
    _refused.add(1, {"reason": refused.reason, "producer": peer})
    say = log.error if refused.reason == CONFLICTING_DUPLICATE else log.warning
    say("event.refused", item_id=refused.item_id, reason=refused.reason, problem=refused.message, producer=peer)


def _refusal(refused: Refused) -> error_pb2.Refusal:
    kind = _REFUSAL_KINDS.get(refused.reason, Kind.INVALID_ARGUMENT)
    return error_pb2.Refusal(item_id=refused.item_id, status=to_status(Failure(kind, refused.reason, refused.message)))


def _listing(organization_id: str, request: event_pb2.ListEventsRequest) -> Listing:
    no_zero_bytes(campaign_id=request.campaign_id, instance_id=request.instance_id, aggregate_id=request.aggregate_id)
    return Listing(
        organization_id=organization_id,
        types=[TYPES[number].value for number in request.types],
        campaign_id=request.campaign_id,
        instance_id=request.instance_id,
        aggregate_id=request.aggregate_id,
        start=asked_moment(request.start_time, "start_time") if request.HasField("start_time") else EARLIEST,
        until=asked_moment(request.end_time, "end_time") if request.HasField("end_time") else LATEST,
    )


def _filter_of(request: event_pb2.ListEventsRequest) -> bytes:
    bound_to = event_pb2.ListEventsRequest()
    bound_to.CopyFrom(request)
    bound_to.ClearField("page_token")
    bound_to.ClearField("page_size")
    return bound_to.SerializeToString(deterministic=True)
