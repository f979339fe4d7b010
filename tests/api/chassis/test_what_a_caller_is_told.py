"""Every call ends in a status with one reason; a bug tells its correlation id and nothing else."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from structlog.testing import capture_logs
from tests.api.chassis.conftest import registration
from tests.serving import RunningServer, identities, mint, running

from chassis import listeners
from chassis.interceptors import note, server_deadline
from kernel.errors import Failure, Kind, Violation, invalid, not_found
from whatlead.control.v1 import control_pb2, control_pb2_grpc

STATE = control_pb2.GetEffectiveStateRequest(campaign_id="welcome")
METHOD = "/whatlead.control.v1.ControlService/GetEffectiveState"
SECRET = "+5511987654321"


def stub(channel: grpc.aio.Channel) -> Any:
    return control_pb2_grpc.ControlServiceStub(channel)


def raising(error: BaseException) -> Any:
    async def answer(_: Any) -> Any:
        raise error

    return answer


async def raw_call(server: RunningServer, payload: bytes, method: str = METHOD, **options: Any) -> bytes:
    """Call without any client of ours; raises AioRpcError."""
    credentials = grpc.ssl_channel_credentials((identities() / "ca.pem").read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{server.ports.public}", credentials) as channel:
        metadata = (("authorization", f"Bearer {mint()}"), *options.pop("metadata", ()))
        call: Any = channel.unary_unary(method)
        answer: bytes = await call(payload, metadata=metadata, timeout=5, **options)
        return answer


@pytest.mark.parametrize(
    "failure",
    [
        not_found("intent"),
        Failure(Kind.ABORTED, "ETAG_MISMATCH", "it changed"),
        Failure(Kind.RESOURCE_EXHAUSTED, "QUEUE_FULL", "too much", retry_after=timedelta(seconds=2)),
        invalid(Violation(field="intents[3].expire_time", description="is in the past")),
    ],
    ids=lambda failure: failure.reason,
)
async def test_a_failure_arrives_as_it_was_raised(server: RunningServer, script: Any, failure: Failure) -> None:
    script.unary = raising(failure)
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).GetEffectiveState(STATE)
    told = raised.value
    assert (told.kind, told.reason, told.message) == (failure.kind, failure.reason, failure.message)
    assert (told.violations, told.retry_after) == (failure.violations, failure.retry_after)


async def test_a_failure_out_of_a_task_group_is_still_itself(server: RunningServer, script: Any) -> None:
    script.unary = raising(ExceptionGroup("tasks", [ExceptionGroup("inner", [not_found("intent")])]))
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).GetEffectiveState(STATE)
    assert raised.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"cannot send to {SECRET}"),
        TimeoutError(SECRET),
        Failure(Kind.INTERNAL, "INTERNAL", SECRET),
        ExceptionGroup("two", [not_found(SECRET), ValueError(SECRET)]),
    ],
    ids=["exception", "somebody's timeout", "internal failure", "several at once"],
)
async def test_a_bug_tells_a_correlation_id_and_nothing_else(
    server: RunningServer, script: Any, error: BaseException
) -> None:
    script.unary = raising(error)
    with capture_logs() as logs, pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw_call(server, STATE.SerializeToString())
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    status = rpc_status.from_call(raised.value)
    assert status is not None
    assert len(status.details) == 1
    info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
    correlation_id = info.metadata["correlation_id"]
    assert status.message == f"internal error, correlation id {correlation_id}"
    assert SECRET not in str(raised.value.trailing_metadata())
    (cause,) = [line for line in logs if line["event"] == "call.failed"]
    assert (cause["correlation_id"], cause["exc_info"]) == (correlation_id, error)


@pytest.mark.parametrize("answer", [None, "text", control_pb2.PauseResponse], ids=str)
async def test_an_answer_of_the_wrong_type_is_a_bug(server: RunningServer, script: Any, answer: Any) -> None:
    async def give(_: Any) -> Any:
        return answer

    script.unary = give
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).GetEffectiveState(STATE)
    assert raised.value.kind is Kind.INTERNAL
    assert "correlation id" in raised.value.message


@pytest.mark.parametrize(
    "payload", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x00"], ids=["bits", "cut off", "utf8", "zero"]
)
async def test_bytes_that_are_no_message_never_reach_the_handler(
    server: RunningServer, script: Any, payload: bytes
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw_call(server, payload)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert script.seen == []


async def test_every_bad_field_is_told_before_the_handler_runs(server: RunningServer, script: Any) -> None:
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).Pause(control_pb2.PauseRequest(target="no blanks"))
    assert {violation.field for violation in raised.value.violations} == {"request_id", "scope", "target", "reason"}
    assert script.seen == []


async def test_a_message_over_the_limit_is_refused(server: RunningServer, script: Any) -> None:
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).GetEffectiveState(
            control_pb2.GetEffectiveStateRequest(campaign_id="x" * (4 * 1024 * 1024))
        )
    assert (raised.value.kind, raised.value.reason) == (Kind.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    assert script.seen == []


async def test_internal_batches_may_be_larger(server: RunningServer, script: Any) -> None:
    unknown_field = b"\xfa\x7f" + b"\x80\x80\x80\x03" + b"x" * (6 * 1024 * 1024)
    scope = control_pb2.CheckExecutionsRequest(
        scopes=[control_pb2.ExecutionScope(organization_id="o", instance_id="i")]
    )
    large = control_pb2.CheckExecutionsRequest.FromString(scope.SerializeToString() + unknown_field)
    await stub(server.internal_channel(service="executor")).CheckExecutions(large)
    assert len(script.seen) == 1


async def test_metadata_over_the_limit_is_refused(server: RunningServer, script: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw_call(server, b"", metadata=(("x-padding", "x" * 20_000),))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert script.seen == []


@pytest.mark.parametrize("method", ["ControlService/Explode", "OtherService/Pause"])
async def test_a_method_that_nobody_serves_is_unimplemented(server: RunningServer, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw_call(server, b"", f"/whatlead.control.v1.{method}")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def hang(_: Any) -> Any:
    await asyncio.Event().wait()


async def test_a_call_ends_at_its_deadline_on_both_sides(server: RunningServer, script: Any) -> None:
    ended = asyncio.Event()

    async def answer(_: Any) -> Any:
        try:
            await hang(None)
        finally:
            ended.set()

    script.unary = answer
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).GetEffectiveState(STATE, timeout=0.2)
    assert (raised.value.kind, raised.value.reason) == (Kind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_call_without_a_deadline_gets_one(
    server: RunningServer, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_deadline, "DEFAULT_SECONDS", 0.1)
    script.unary = hang
    credentials = grpc.ssl_channel_credentials((identities() / "ca.pem").read_bytes())
    async with (
        asyncio.timeout(5),
        grpc.aio.secure_channel(f"localhost:{server.ports.public}", credentials) as channel,
    ):
        call: Any = channel.unary_unary(METHOD)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"", metadata=(("authorization", f"Bearer {mint()}"),))
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def logged(server: RunningServer, call: Any, expected: type[BaseException] | None) -> dict[str, Any]:
    """Make a call and return its log line, once the server has written it."""
    written = asyncio.Event()

    def watch(_: Any, __: str, event: Any) -> Any:
        written.set()
        return event

    with capture_logs(processors=[watch]) as logs:
        if expected is None:
            await call
        else:
            with pytest.raises(expected):
                await call
        async with asyncio.timeout(5):
            await written.wait()
    (line,) = [line for line in logs if line["event"] == "call.served"]
    return dict(line)


async def test_one_line_is_logged_a_call(server: RunningServer, script: Any) -> None:
    async def answer(_: Any) -> Any:
        note(items=3)
        return control_pb2.GetEffectiveStateResponse()

    script.unary = answer
    line = await logged(server, stub(server.public_channel(subject="crm")).GetEffectiveState(STATE), None)
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "call.served",
        "log_level": "info",
        "method": METHOD,
        "listener": "public",
        "status": "OK",
        "subject": "crm",
        "organization_id": "demo",
        "role": "owner",
        "items": 3,
    }


async def test_services_call_each_other_silently_while_it_goes_well(server: RunningServer, script: Any) -> None:
    scope = control_pb2.ExecutionScope(organization_id="demo")
    request = control_pb2.CheckExecutionsRequest(scopes=[scope])
    executor = stub(server.internal_channel(service="executor"))
    line = await logged(server, executor.CheckExecutions(request), None)
    assert (line["status"], line["peer"], line["log_level"]) == ("OK", "executor", "debug")

    script.unary = raising(not_found("session"))
    line = await logged(server, executor.CheckExecutions(request), Failure)
    assert (line["status"], line["log_level"]) == ("NOT_FOUND", "info")


async def test_the_line_says_how_a_call_failed(server: RunningServer, script: Any) -> None:
    script.unary = raising(not_found("intent"))
    line = await logged(server, stub(server.public_channel()).GetEffectiveState(STATE), Failure)
    assert (line["status"], line["reason"], line["log_level"]) == ("NOT_FOUND", "NOT_FOUND", "info")


async def test_a_refused_token_is_not_logged(server: RunningServer) -> None:
    line = await logged(server, stub(server.public_channel(token="s3cr3t.t0k3n.x")).GetEffectiveState(STATE), Failure)
    assert line["status"] == "UNAUTHENTICATED"
    assert "s3cr3t" not in str(line)


async def test_a_caller_that_leaves_is_logged_as_canceled(server: RunningServer, script: Any) -> None:
    started = asyncio.Event()

    async def answer(_: Any) -> Any:
        started.set()
        await hang(None)

    script.unary = answer

    async def leave() -> None:
        call = asyncio.ensure_future(stub(server.public_channel()).GetEffectiveState(STATE))
        await started.wait()
        call.cancel()
        await call

    line = await logged(server, leave(), asyncio.CancelledError)
    assert line["status"] == "CANCELLED"


async def test_more_calls_at_a_time_than_the_server_takes_are_refused(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MAX_CALLS", 1)
    started = asyncio.Event()

    async def answer(_: Any) -> Any:
        started.set()
        await hang(None)

    script.unary = answer
    async with running([registration(script)], service="control") as server:
        control = stub(server.public_channel())
        first = asyncio.ensure_future(control.GetEffectiveState(STATE))
        await started.wait()
        with pytest.raises(Failure) as raised:
            await control.GetEffectiveState(STATE)
        first.cancel()
    assert (raised.value.kind, raised.value.reason) == (Kind.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    assert raised.value.retry_after is not None


async def test_a_call_whose_request_never_comes_takes_a_place_until_it_is_gone(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MAX_CALLS", 2)
    async with running([registration(script, priority=["Pause"])], service="control") as server:
        channel = server.public_channel()
        silent: list[Any] = []

        def fill() -> None:
            silent[:] = [call for call in silent if not call.done()]  # one that met the health check there was refused
            silent.extend(channel.stream_unary(METHOD)() for _ in range(2 - len(silent)))

        await _until_what_is_open_to_all(server, gets_in=False, before_each=fill)
        request = control_pb2.PauseRequest(request_id="a", scope=control_pb2.SCOPE_ORGANIZATION, reason="b")
        await stub(channel).Pause(request)
        for call in silent:
            call.cancel()
        await _until_what_is_open_to_all(server, gets_in=True)


async def _until_what_is_open_to_all(
    server: RunningServer, *, gets_in: bool, before_each: Callable[[], None] = lambda: None
) -> None:
    """Call the health service, which needs no token, until it answers or is refused for want of room."""
    health = health_pb2_grpc.HealthStub(server.public_channel())
    for _ in range(1000):
        before_each()
        refused = ""
        try:
            await health.Check(health_pb2.HealthCheckRequest())
        except Failure as failure:
            refused = failure.reason
        if refused == ("" if gets_in else "LIMIT_EXCEEDED"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came to that")
