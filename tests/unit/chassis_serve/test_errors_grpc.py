"""A Failure arrives at the client as it was raised, in a status that every client can read."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from chassis.errors_grpc import from_status, to_status
from kernel.errors import Failure, Kind, Violation, invalid, not_found
from whatlead.error.v1.error_pb2 import Reason

ROOT = Path(__file__).parents[3]


def detail_names(status: status_pb2.Status) -> list[str]:
    return [detail.type_url.rpartition(".")[2] for detail in status.details]


@pytest.mark.parametrize("kind", list(Kind))
def test_there_and_back(kind: Kind) -> None:
    failure = Failure(kind, "ETAG_MISMATCH", "olá", retry_after=timedelta(milliseconds=1500))
    back = from_status(to_status(failure))
    assert (back.kind, back.reason, back.message, back.retry_after) == (
        kind,
        "ETAG_MISMATCH",
        "olá",
        timedelta(milliseconds=1500),
    )


@pytest.mark.parametrize(
    ("failure", "details"),
    [
        (invalid(Violation(field="a", description="b")), ["ErrorInfo", "BadRequest"]),
        (not_found("intent"), ["ErrorInfo"]),
        (Failure(Kind.FAILED_PRECONDITION, "WRONG_STATE", "m"), ["ErrorInfo", "PreconditionFailure"]),
        (Failure(Kind.ABORTED, "ETAG_MISMATCH", "m"), ["ErrorInfo", "PreconditionFailure"]),
        (
            Failure(Kind.RESOURCE_EXHAUSTED, "QUEUE_FULL", "m", retry_after=timedelta(seconds=1)),
            ["ErrorInfo", "QuotaFailure", "RetryInfo"],
        ),
        (
            Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "m", retry_after=timedelta(seconds=1)),
            ["ErrorInfo", "RetryInfo"],
        ),
    ],
    ids=lambda value: value.reason if isinstance(value, Failure) else "",
)
def test_each_kind_has_its_details(failure: Failure, details: list[str]) -> None:
    status = to_status(failure)
    assert detail_names(status) == details
    info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
    assert (info.domain, info.reason) == ("whatlead", failure.reason)


@pytest.mark.parametrize(("count", "width"), [(1, 20_000), (100, 10), (101, 10), (5_000, 40)])
def test_violations_fit_the_trailers_of_every_client(count: int, width: int) -> None:
    violations = [Violation(field=f"intents[{n}].request_id", description="x" * width) for n in range(count)]
    status = to_status(invalid(*violations))
    listed = from_status(status).violations
    assert 1 <= len(listed) <= 100
    if count > 1:
        assert status.ByteSize() <= 5_500
    assert listed[0].field == "intents[0].request_id"
    if len(listed) < count:
        assert f"({len(listed)} of {count} listed)" in status.message


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (code_pb2.UNAVAILABLE, Kind.UNAVAILABLE, "UNAVAILABLE"),
        (code_pb2.DEADLINE_EXCEEDED, Kind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        (code_pb2.RESOURCE_EXHAUSTED, Kind.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
        (code_pb2.CANCELLED, Kind.UNAVAILABLE, "UNAVAILABLE"),
        (code_pb2.UNKNOWN, Kind.INTERNAL, "INTERNAL"),
        (code_pb2.UNIMPLEMENTED, Kind.INTERNAL, "INTERNAL"),
        (999, Kind.INTERNAL, "INTERNAL"),
    ],
)
def test_a_status_that_is_not_ours_gets_the_nearest_reason(code: int, kind: Kind, reason: str) -> None:
    failure = from_status(status_pb2.Status(code=code, message="from a proxy"))
    assert (failure.kind, failure.reason) == (kind, reason)


def test_the_error_info_of_another_domain_is_not_taken_for_ours() -> None:
    status = status_pb2.Status(code=code_pb2.UNAVAILABLE)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="THEIRS", domain="example.com"))
    assert from_status(status).reason == "UNAVAILABLE"


def reasons_in_code() -> Iterator[tuple[str, str]]:
    raised = re.compile(r"Failure\(\s*Kind\.\w+,\s*\"([A-Z_]+)\"")
    for folder in ("libs/kernel", "libs/chassis", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for reason in raised.findall(path.read_text(encoding="utf-8")):
                yield reason, str(path.relative_to(ROOT))


def test_every_reason_raised_is_in_the_contract() -> None:
    known = set(Reason.keys())
    unknown = {(reason, path) for reason, path in reasons_in_code() if f"REASON_{reason}" not in known}
    assert unknown == set()
    assert len(set(reasons_in_code())) > 5
