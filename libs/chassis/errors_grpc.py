"""Failures as gRPC statuses with details, and back. Knows no call: interceptors and batches use it alike."""

from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from kernel.errors import Failure, Kind, Violation

DOMAIN = "whatlead"
MAX_VIOLATIONS = 100
# Trailers over 8 KiB are refused by some clients, and binary ones grow by a third on their way.
_MAX_STATUS_BYTES = 5_500
_MAX_MESSAGE = 1_000

_CODES: dict[Kind, int] = {kind: code_pb2.Code.Value(kind.value) for kind in Kind}
_KINDS: dict[int, Kind] = {code: kind for kind, code in _CODES.items()}
# What a status without our ErrorInfo means to a caller: a proxy, the transport or grpc itself said it.
_FOREIGN: dict[int, tuple[Kind, str]] = {
    code_pb2.CANCELLED: (Kind.UNAVAILABLE, "UNAVAILABLE"),
    code_pb2.INVALID_ARGUMENT: (Kind.INVALID_ARGUMENT, "INVALID_FIELD"),
    code_pb2.OUT_OF_RANGE: (Kind.INVALID_ARGUMENT, "INVALID_FIELD"),
    code_pb2.DEADLINE_EXCEEDED: (Kind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    code_pb2.NOT_FOUND: (Kind.NOT_FOUND, "NOT_FOUND"),
    code_pb2.ALREADY_EXISTS: (Kind.ALREADY_EXISTS, "ALREADY_EXISTS"),
    code_pb2.PERMISSION_DENIED: (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED"),
    code_pb2.UNAUTHENTICATED: (Kind.UNAUTHENTICATED, "UNAUTHENTICATED"),
    code_pb2.RESOURCE_EXHAUSTED: (Kind.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
    code_pb2.FAILED_PRECONDITION: (Kind.FAILED_PRECONDITION, "WRONG_STATE"),
    code_pb2.ABORTED: (Kind.ABORTED, "ETAG_MISMATCH"),
    code_pb2.UNAVAILABLE: (Kind.UNAVAILABLE, "UNAVAILABLE"),
}


def code_of(kind: Kind) -> grpc.StatusCode:
    """Return the gRPC status code of a kind."""
    return grpc.StatusCode[kind.value]


def to_status(failure: Failure, metadata: dict[str, str] | None = None) -> status_pb2.Status:
    """Return `failure` as a status with exactly one ErrorInfo. Also the result of a refused item in a batch."""
    shown = failure.violations[:MAX_VIOLATIONS]
    status = _assemble(failure, shown, metadata or {})
    while len(shown) > 1 and status.ByteSize() > _MAX_STATUS_BYTES:
        shown = shown[: max(1, len(shown) * _MAX_STATUS_BYTES // status.ByteSize() - 1)]
        status = _assemble(failure, shown, metadata or {})
    return status


def _assemble(failure: Failure, shown: tuple[Violation, ...], metadata: dict[str, str]) -> status_pb2.Status:
    message = failure.message[:_MAX_MESSAGE]
    if len(shown) < len(failure.violations):
        message += f" ({len(shown)} of {len(failure.violations)} listed)"
    status = status_pb2.Status(code=_CODES[failure.kind], message=message)
    info = error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=metadata)
    status.details.add().Pack(info)
    if shown:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in shown
        ]
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=fields))
    if failure.kind in {Kind.FAILED_PRECONDITION, Kind.ABORTED}:
        unmet = error_details_pb2.PreconditionFailure.Violation(type=failure.reason, description=message)
        status.details.add().Pack(error_details_pb2.PreconditionFailure(violations=[unmet]))
    if failure.kind is Kind.RESOURCE_EXHAUSTED:
        over = error_details_pb2.QuotaFailure.Violation(subject=failure.reason, description=message)
        status.details.add().Pack(error_details_pb2.QuotaFailure(violations=[over]))
    if failure.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(failure.retry_after)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_status(status: status_pb2.Status) -> Failure:
    """Return the Failure that a status tells of; one that is not ours gets the nearest reason."""
    kind, reason = _FOREIGN.get(status.code, (Kind.INTERNAL, "INTERNAL"))
    violations: tuple[Violation, ...] = ()
    retry_after: timedelta | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            if info.domain == DOMAIN:
                kind, reason = _KINDS.get(status.code, kind), info.reason
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            violations = tuple(
                Violation(field=field.field, description=field.description) for field in bad.field_violations
            )
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry_after = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay.ToTimedelta()
    return Failure(kind, reason, status.message, violations=violations, retry_after=retry_after)


def from_rpc_error(error: grpc.aio.AioRpcError) -> Failure:
    """Return the Failure that a call ended with. A status whose details cannot be read counts as foreign."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        status = None
    if status is None:
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    return from_status(status)
