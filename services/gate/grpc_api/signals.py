"""SignalService: what providers and callers report."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from chassis.errors_grpc import to_status
from chassis.identity import Caller, current_identity
from chassis.interceptors import note
from gate.application.signals import Signal
from gate.domain.reputation import SignalKind
from gate.grpc_api.calls import Context
from gate.grpc_api.translation import moment
from kernel.clock import Clock
from kernel.errors import Violation, invalid
from whatlead.error.v1 import error_pb2
from whatlead.gate.v1 import signal_pb2, signal_pb2_grpc

KIND_TO_PROTO = {kind: signal_pb2.SignalKind.Value(f"SIGNAL_KIND_{kind}") for kind in SignalKind}
KIND_FROM_PROTO = {number: kind for kind, number in KIND_TO_PROTO.items()}
PROVIDER = "provider"
_AHEAD = timedelta(minutes=1)
_MOST = 1_000_000
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ABOUT_INTENTS = frozenset({SignalKind.OPTED_OUT, SignalKind.FAILED})


class SignalApi(signal_pb2_grpc.SignalServiceServicer):
    """Answers SignalService."""

    def __init__(self, *, take: Callable[[Sequence[Signal]], Awaitable[None]], clock: Clock) -> None:
        self._take = take
        self._clock = clock

    async def ReportSignals(  # noqa: N802
        self, request: signal_pb2.ReportSignalsRequest, context: Context
    ) -> signal_pb2.ReportSignalsResponse:
        identity = current_identity()
        refusals: list[error_pb2.Refusal] = []
        signals: list[Signal] = []
        for place, item in enumerate(request.signals):
            violations = [*self._violations(item, f"signals[{place}]", own=isinstance(identity, Caller))]
            if violations:
                status = to_status(invalid(*violations))
                refusals.append(error_pb2.Refusal(item_id=item.signal_id[:128] or f"#{place}", status=status))
            elif isinstance(identity, Caller):
                signals.append(_signal(item, identity.organization_id, identity.subject))
            else:
                signals.append(_signal(item, item.organization_id, PROVIDER))
        if signals:
            await self._take(signals)
        note(items=len(request.signals), refused=len(refusals))
        return signal_pb2.ReportSignalsResponse(refusals=refusals)

    def _violations(self, item: signal_pb2.Signal, prefix: str, *, own: bool) -> Iterator[Violation]:
        kind = KIND_FROM_PROTO.get(item.kind)
        if not 1 <= len(item.signal_id) <= 128:
            yield Violation(field=f"{prefix}.signal_id", description="must be 1 to 128 characters")
        if kind is None:
            yield Violation(field=f"{prefix}.kind", description="must be one of the defined values")
        if own and item.organization_id:
            yield Violation(field=f"{prefix}.organization_id", description="must be empty: it is the token's")
        if not own and not item.organization_id:
            yield Violation(field=f"{prefix}.organization_id", description="must be given")
        about_intent = kind in _ABOUT_INTENTS and bool(item.intent_id)
        if not _INSTANCE.fullmatch(item.instance_id) and (item.instance_id or not about_intent):
            yield Violation(field=f"{prefix}.instance_id", description="must be 1 to 64 letters, digits, '-', '_', '.'")
        if kind is SignalKind.OPTED_OUT and not item.intent_id:
            yield Violation(field=f"{prefix}.intent_id", description="must be given: it says who asked")
        if item.intent_id and not _is_uuid(item.intent_id):
            yield Violation(field=f"{prefix}.intent_id", description="must be a UUID")
        if item.count > _MOST:
            yield Violation(field=f"{prefix}.count", description=f"must be at most {_MOST}")
        if len(item.code) > 64:
            yield Violation(field=f"{prefix}.code", description="must be at most 64 characters")
        for name in ("signal_id", "organization_id", "code"):
            if "\0" in getattr(item, name):
                yield Violation(field=f"{prefix}.{name}", description="must hold no NUL")
        yield from self._time(item, prefix)

    def _time(self, item: signal_pb2.Signal, prefix: str) -> Iterator[Violation]:
        field = f"{prefix}.occurred_at"
        try:
            occurred_at: datetime | None = moment(item.occurred_at) if item.HasField("occurred_at") else None
        except (ValueError, OverflowError):
            yield Violation(field=field, description="must be within the range of its type")
            return
        if occurred_at is None:
            yield Violation(field=field, description="must be given")
        elif occurred_at > self._clock.now() + _AHEAD:
            yield Violation(field=field, description="must not be more than 1 minute ahead")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _signal(item: signal_pb2.Signal, organization_id: str, source: str) -> Signal:
    return Signal(
        organization_id=organization_id,
        signal_id=item.signal_id,
        instance_id=item.instance_id,
        kind=KIND_FROM_PROTO[item.kind],
        count=item.count or 1,
        code=item.code,
        intent_id=UUID(item.intent_id) if item.intent_id else None,
        occurred_at=moment(item.occurred_at),
        source=source,
    )
