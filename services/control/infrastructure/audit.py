"""Audit as the outbox's receiver: carry serialised events, and take them apart where they are refused."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from chassis.errors_grpc import from_status
from chassis.outbox import Receiver, Refusal
from control.infrastructure.changes import AUDIT
from kernel.errors import Failure
from whatlead.audit.v1 import event_pb2, event_pb2_grpc

_LINGER = timedelta(milliseconds=100)
_MAX_EVENTS = 10_000


def audit_receiver(client: "event_pb2_grpc.EventServiceAsyncStub") -> Receiver:
    """Return where control's events go."""

    async def record(payload: bytes) -> Sequence[Refusal]:
        response = await client.RecordEvents(event_pb2.RecordEventsRequest.FromString(payload))
        return [_refusal(refusal.item_id, from_status(refusal.status)) for refusal in response.refusals]

    return Receiver(name=AUDIT, deliver=record, split=_split, linger=_LINGER, max_items=_MAX_EVENTS)


def _refusal(item_id: str, failure: Failure) -> Refusal:
    return Refusal(item_id=item_id, reason=failure.reason, message=failure.message)


def _split(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for event in event_pb2.RecordEventsRequest.FromString(payload).events:
        event_id = event_pb2.OperationalEvent.FromString(event).event_id
        yield event_id, event_pb2.RecordEventsRequest(events=[event]).SerializeToString()
