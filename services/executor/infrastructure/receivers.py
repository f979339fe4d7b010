"""Where the outbox's parcels go: audit's events, the gate's returns and signals. Knows no job."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from chassis.errors_grpc import from_status
from chassis.outbox import Receiver, Refusal
from executor.infrastructure.ledger import AUDIT, GATE_RETURNS, GATE_SIGNALS
from whatlead.audit.v1 import event_pb2
from whatlead.error.v1 import error_pb2
from whatlead.gate.v1 import gate_pb2, signal_pb2

_TIMEOUT = 10.0
_LINGER = timedelta(milliseconds=100)


class _Response(Protocol):
    @property
    def refusals(self) -> Iterable[error_pb2.Refusal]: ...


RecordEvents = Callable[..., Awaitable[event_pb2.RecordEventsResponse]]
ReturnIntents = Callable[..., Awaitable[gate_pb2.ReturnIntentsResponse]]
ReportSignals = Callable[..., Awaitable[signal_pb2.ReportSignalsResponse]]


def receivers(
    *, record_events: RecordEvents, return_intents: ReturnIntents, report_signals: ReportSignals
) -> list[Receiver]:
    """Return the receivers, bound to the calls that deliver to them."""

    async def audit(payload: bytes) -> Sequence[Refusal]:
        request = event_pb2.RecordEventsRequest.FromString(payload)
        return _refusals(await record_events(request, timeout=_TIMEOUT))

    async def returns(payload: bytes) -> Sequence[Refusal]:
        request = gate_pb2.ReturnIntentsRequest.FromString(payload)
        return _refusals(await return_intents(request, timeout=_TIMEOUT))

    async def signals(payload: bytes) -> Sequence[Refusal]:
        request = signal_pb2.ReportSignalsRequest.FromString(payload)
        return _refusals(await report_signals(request, timeout=_TIMEOUT))

    return [
        Receiver(name=AUDIT, deliver=audit, split=_split_events, linger=_LINGER, max_items=10_000),
        Receiver(name=GATE_RETURNS, deliver=returns, split=_split_returns, max_items=5_000),
        Receiver(name=GATE_SIGNALS, deliver=signals, split=_split_signals, linger=_LINGER, max_items=5_000),
    ]


def _refusals(response: _Response) -> list[Refusal]:
    result = []
    for refusal in response.refusals:
        failure = from_status(refusal.status)
        result.append(Refusal(item_id=refusal.item_id, reason=failure.reason, message=failure.message))
    return result


def _split_events(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for event in event_pb2.RecordEventsRequest.FromString(payload).events:
        event_id = event_pb2.OperationalEvent.FromString(event).event_id
        yield event_id, event_pb2.RecordEventsRequest(events=[event]).SerializeToString()


def _split_returns(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for intent in gate_pb2.ReturnIntentsRequest.FromString(payload).intents:
        yield intent.intent_id, gate_pb2.ReturnIntentsRequest(intents=[intent]).SerializeToString()


def _split_signals(payload: bytes) -> Iterable[tuple[str, bytes]]:
    for signal in signal_pb2.ReportSignalsRequest.FromString(payload).signals:
        yield signal.signal_id, signal_pb2.ReportSignalsRequest(signals=[signal]).SerializeToString()
