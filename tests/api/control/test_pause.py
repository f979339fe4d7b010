"""Pause and Resume as callers see them."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.api.control.conftest import Control, Start, eventually, running_control

from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.control.v1 import control_pb2 as pb

W = 0.5 * 1.01 / 0.99 + 0.05


def pause_request(request_id: str = "stop-1", **values: object) -> pb.PauseRequest:
    usual: dict[str, object] = {"scope": pb.SCOPE_CAMPAIGN, "target": "welcome", "reason": "wrong template"}
    if values.get("scope", pb.SCOPE_CAMPAIGN) in (pb.SCOPE_ORGANIZATION, pb.SCOPE_PLATFORM):
        usual["target"] = ""
    return pb.PauseRequest(request_id=request_id, **(usual | values))  # type: ignore[arg-type]


def resume_request(
    *controls: pb.ExecutionControl, request_id: str = "go-1", etag: str = "", **values: object
) -> pb.ResumeRequest:
    """Return a resume of `controls`, with the etag of the first as it was read unless `etag` is given."""
    usual: dict[str, object] = {"reason": "corrected", "immediate": pb.Immediate()}
    return pb.ResumeRequest(
        request_id=request_id,
        control_ids=[control.control_id for control in controls],
        etag=etag or controls[0].etag,
        **(usual | values),  # type: ignore[arg-type]
    )


def in_(**ahead: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(**ahead))
    return moment


async def is_paused(control: Control, campaign_id: str = "welcome", instance_id: str = "") -> bool:
    scope = pb.ExecutionScope(organization_id="demo", campaign_id=campaign_id, instance_id=instance_id)
    answer = (await control.peer().CheckExecutions(pb.CheckExecutionsRequest(scopes=[scope]))).answers[0]
    assert answer.WhichOneof("answer") in ("allowed", "paused")
    return answer.WhichOneof("answer") == "paused"


async def test_pause_answers_fenced_after_w_where_a_session_says_nothing(control: Control) -> None:
    await control.register()
    began = time.monotonic()
    answer = await control.caller().Pause(pause_request(), timeout=10)
    took = time.monotonic() - began

    made = answer.control
    assert took >= W
    assert made.state == pb.CONTROL_STATE_FENCED
    assert (made.organization_id, made.target, made.reason, made.paused_by) == (
        "demo",
        "welcome",
        "wrong template",
        "ana",
    )
    assert (made.scope, made.source) == (pb.SCOPE_CAMPAIGN, pb.SOURCE_MANUAL)
    assert made.fenced_at.ToDatetime() - made.create_time.ToDatetime() >= timedelta(seconds=W - 0.02)
    assert await is_paused(control)


async def test_a_retry_is_the_same_pause_and_waits_for_the_same_fence(control: Control) -> None:
    await control.register()
    client = control.caller()
    first = asyncio.ensure_future(client.Pause(pause_request(), timeout=10))
    second = asyncio.ensure_future(client.Pause(pause_request(), timeout=10))

    answers = await asyncio.gather(first, second)

    assert answers[0] == answers[1]
    assert answers[0].control.state == pb.CONTROL_STATE_FENCED
    assert await client.Pause(pause_request(), timeout=10) == answers[0]


async def test_a_retry_at_another_replica_waits_for_the_same_fence(control: Control, start: Start) -> None:
    await control.register()
    other = await start()
    first = asyncio.ensure_future(control.caller().Pause(pause_request(), timeout=10))
    second = await other.caller().Pause(pause_request(), timeout=10)

    assert (await first) == second
    assert second.control.state == pb.CONTROL_STATE_FENCED


async def test_the_same_request_id_with_other_content_is_refused(control: Control) -> None:
    client = control.caller()
    await client.Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED))

    with pytest.raises(Failure) as refused:
        await client.Pause(pause_request(reason="something else", wait=pb.PAUSE_WAIT_COMMITTED))
    assert (refused.value.kind, refused.value.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_caller_with_a_short_deadline_is_told_so_and_the_pause_is_fenced_all_the_same(
    control: Control,
) -> None:
    await control.register()
    client = control.caller()
    await client.ListExecutionControls(pb.ListExecutionControlsRequest())  # connected
    with pytest.raises(Failure) as late:
        await client.Pause(pause_request(), timeout=0.3)
    assert late.value.kind is Kind.DEADLINE_EXCEEDED
    assert await is_paused(control)

    async def fenced() -> bool:
        listed = await client.ListExecutionControls(pb.ListExecutionControlsRequest())
        return [one.state for one in listed.controls] == [pb.CONTROL_STATE_FENCED]

    await eventually(fenced)


async def test_committed_answers_pausing_at_once(control: Control) -> None:
    await control.register()
    answer = await control.caller().Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED), timeout=10)

    assert answer.control.state == pb.CONTROL_STATE_PAUSING
    assert not answer.control.HasField("fenced_at")
    assert await is_paused(control)


async def test_a_pause_left_by_one_replica_is_fenced_by_the_next_after_a_whole_w(url: str) -> None:
    async with running_control(url) as first:
        await first.register()
        made = (await first.caller().Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED))).control
    assert made.state == pb.CONTROL_STATE_PAUSING

    began = time.monotonic()
    async with running_control(url) as second:
        answer = await second.caller().Pause(pause_request(), timeout=10)

    assert (answer.control.control_id, answer.control.state) == (made.control_id, pb.CONTROL_STATE_FENCED)
    assert time.monotonic() - began >= W


async def test_pauses_work_while_audit_is_down(url: str) -> None:
    async with running_control(url, audit_is_down=True) as control:
        answer = await control.caller().Pause(pause_request(), timeout=10)
        assert answer.control.state == pb.CONTROL_STATE_FENCED
        assert await is_paused(control)
        await control.caller().Resume(resume_request(answer.control))
        assert not await is_paused(control)
        assert control.recorded == []


async def test_audit_is_told_each_change_once(control: Control) -> None:
    answer = await control.caller().Pause(pause_request(), timeout=10)
    await control.caller().Resume(resume_request(answer.control))

    async def told() -> bool:
        return len(control.recorded) == 3

    await eventually(told)
    assert {(event.type, event.actor, event.pause.control_version) for event in control.recorded} == {
        (event_pb2.EVENT_TYPE_EXECUTION_PAUSED, "ana", 1),
        (event_pb2.EVENT_TYPE_EXECUTION_FENCED, "system", 2),
        (event_pb2.EVENT_TYPE_EXECUTION_RESUMED, "ana", 3),
    }
    assert {event.campaign_id for event in control.recorded} == {"welcome"}


async def test_overlapping_pauses_are_lifted_one_by_one(control: Control) -> None:
    await control.register()
    client = control.caller()
    wait = pb.PAUSE_WAIT_COMMITTED
    await client.Pause(pause_request("a", wait=wait))
    await client.Pause(pause_request("b", scope=pb.SCOPE_ORGANIZATION, wait=wait))
    await client.Pause(pause_request("c", wait=wait))
    listed = await client.ListExecutionControls(pb.ListExecutionControlsRequest(live_only=True))
    same, organization, campaign = listed.controls

    lifted = await client.Resume(resume_request(campaign, request_id="go-a"))
    assert lifted.control.state == pb.CONTROL_STATE_RESUMED
    assert (lifted.control.ended_by, lifted.control.end_reason) == ("ana", "corrected")
    assert {one.control_id for one in lifted.remaining} == {organization.control_id, same.control_id}
    assert await is_paused(control)
    await client.Resume(resume_request(organization, request_id="go-b"))
    assert await is_paused(control)
    assert not await is_paused(control, "spring")
    last = await client.Resume(resume_request(same, request_id="go-c"))
    assert list(last.remaining) == []
    assert not await is_paused(control)

    assert await client.Resume(resume_request(same, request_id="go-c")) == last
    with pytest.raises(Failure) as again:
        await client.Resume(resume_request(same, request_id="go-d"))
    assert (again.value.kind, again.value.reason) == (Kind.FAILED_PRECONDITION, "WRONG_STATE")


async def test_a_resume_before_the_fence_ends_the_wait_of_the_pause(control: Control) -> None:
    await control.register()
    client = control.caller()
    waiting = asyncio.ensure_future(client.Pause(pause_request(), timeout=10))
    made = (await client.Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED))).control

    await client.Resume(resume_request(made))

    with pytest.raises(Failure, match="resumed") as ended:
        await waiting
    assert (ended.value.kind, ended.value.reason) == (Kind.ABORTED, "WRONG_STATE")
    found = await client.GetExecutionControl(pb.GetExecutionControlRequest(control_id=made.control_id))
    assert found.control.state == pb.CONTROL_STATE_RESUMED
    assert not found.control.HasField("fenced_at")


async def test_a_pause_ends_by_itself_when_due(control: Control) -> None:
    client = control.caller()
    request = pause_request(paused_until=in_(seconds=1.2), wait=pb.PAUSE_WAIT_COMMITTED)
    made = (await client.Pause(request)).control
    assert await is_paused(control)

    async def ended() -> bool:
        return not await is_paused(control)

    await eventually(ended)
    found = (await client.GetExecutionControl(pb.GetExecutionControlRequest(control_id=made.control_id))).control
    assert (found.state, found.ended_by) == (pb.CONTROL_STATE_EXPIRED, "system")
    late = found.ended_at.ToDatetime() - found.paused_until.ToDatetime()
    assert timedelta(0) <= late < timedelta(seconds=1)
    with pytest.raises(Failure) as over:
        await client.Resume(resume_request(made))
    assert (over.value.kind, over.value.reason) == (Kind.FAILED_PRECONDITION, "WRONG_STATE")
    with pytest.raises(Failure, match="expired") as repeated:
        await client.Pause(request)
    assert repeated.value.kind is Kind.ABORTED


async def test_members_pause_campaigns_and_instances_only_and_lift_nothing(control: Control) -> None:
    member = control.caller(role="member")
    wait = pb.PAUSE_WAIT_COMMITTED
    made = (await member.Pause(pause_request("a", wait=wait))).control
    await member.Pause(pause_request("b", scope=pb.SCOPE_INSTANCE, target="sp-1", wait=wait))
    for scope in (pb.SCOPE_ORGANIZATION, pb.SCOPE_PLATFORM):
        await denied(member.Pause(pause_request("c", scope=scope, wait=wait)))
    await denied(member.Resume(resume_request(made)))


async def denied(call: Awaitable[object]) -> None:
    with pytest.raises(Failure) as refused:
        await call
    assert (refused.value.kind, refused.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


async def test_the_platform_is_paused_and_lifted_by_its_own_role_only(control: Control) -> None:
    owner, platform = control.caller(), control.caller(role="platform", organization_id="", subject="ops")
    request = pause_request(scope=pb.SCOPE_PLATFORM, wait=pb.PAUSE_WAIT_COMMITTED)
    await denied(owner.Pause(request))
    await denied(platform.Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED)))
    made = (await platform.Pause(request)).control
    assert (made.organization_id, made.source, made.paused_by) == ("", pb.SOURCE_PLATFORM, "ops")
    assert await is_paused(control)

    await denied(owner.Resume(resume_request(made)))
    await platform.Resume(resume_request(made))

    assert not await is_paused(control)


async def test_what_belongs_to_another_organization_is_not_there(control: Control) -> None:
    made = (await control.caller().Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED))).control
    unknown = pb.ExecutionControl(control_id=str(uuid7()), etag="v1.0")
    for role in ("owner", "platform"):
        stranger = control.caller(organization_id="other", role=role)
        calls: list[Awaitable[object]] = [
            stranger.GetExecutionControl(pb.GetExecutionControlRequest(control_id=made.control_id)),
            stranger.Resume(resume_request(made)),
            stranger.Resume(resume_request(unknown)),
        ]
        texts = set()
        for call in calls:
            with pytest.raises(Failure) as refused:
                await call
            assert refused.value.kind is Kind.NOT_FOUND
            texts.add(refused.value.message.replace(made.control_id, "…").replace(unknown.control_id, "…"))
        assert len(texts) == 1
        listed = await stranger.ListExecutionControls(pb.ListExecutionControlsRequest())
        assert list(listed.controls) == []
        state = await stranger.GetEffectiveState(pb.GetEffectiveStateRequest(campaign_id="welcome"))
        assert state.status == pb.EXECUTION_STATUS_ACTIVE


async def test_the_gate_pauses_for_the_organization_it_names(control: Control) -> None:
    gate = control.peer("gate")
    request = pause_request(
        scope=pb.SCOPE_INSTANCE,
        target="sp-1",
        organization_id="demo",
        source=pb.SOURCE_AUTO,
        wait=pb.PAUSE_WAIT_COMMITTED,
    )
    made = (await gate.Pause(request)).control

    assert (made.organization_id, made.source, made.paused_by) == ("demo", pb.SOURCE_AUTO, "gate")
    assert await is_paused(control, "", "sp-1")
    assert not await is_paused(control, "welcome")
    await denied(control.peer("executor").Pause(request))
    await control.caller().Resume(resume_request(made))


_BAD_PAUSES = {
    "nothing": (pb.PauseRequest(), {"request_id", "scope", "reason"}),
    "no request id": (pause_request(""), {"request_id"}),
    "long request id": (pause_request("x" * 129), {"request_id"}),
    "zero byte in the request id": (pause_request("a\0b"), {"request_id"}),
    "zero byte in the reason": (pause_request(reason="a\0b"), {"reason"}),
    "blank reason": (pause_request(reason="  \n"), {"reason"}),
    "long reason": (pause_request(reason="x" * 501), {"reason"}),
    "campaign without a target": (pause_request(target=""), {"target"}),
    "target with a blank": (pause_request(target="a b"), {"target"}),
    "long target": (pause_request(target="x" * 65), {"target"}),
    "target with a newline at its end": (pause_request(target="a\n"), {"target"}),
    "organization with a target": (pause_request(scope=pb.SCOPE_ORGANIZATION, target="x"), {"target"}),
    "unknown scope": (pause_request(scope=99), {"scope"}),
    "unknown wait": (pause_request(wait=99), {"wait"}),
    "unknown source": (pause_request(source=99), {"source"}),
    "source by a caller": (pause_request(source=pb.SOURCE_MANUAL), {"source"}),
    "organization by a caller": (pause_request(organization_id="demo"), {"organization_id"}),
    "a caller as the gate": (
        pause_request(organization_id="other", source=pb.SOURCE_AUTO),
        {"organization_id", "source"},
    ),
    "ends in the past": (pause_request(paused_until=in_(seconds=-5)), {"paused_until"}),
    "ends after more than a year": (pause_request(paused_until=in_(days=367)), {"paused_until"}),
    "impossible end": (pause_request(paused_until=Timestamp(seconds=2**62)), {"paused_until"}),
    "impossible nanos": (pause_request(paused_until=Timestamp(nanos=-5)), {"paused_until"}),
}


async def bad_fields(call: Awaitable[object]) -> set[str]:
    """Return the fields that a call is refused for."""
    with pytest.raises(Failure) as refused:
        await call
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID_ARGUMENT, "INVALID_FIELD")
    return {violation.field for violation in refused.value.violations}


async def test_a_bad_pause_is_refused_by_its_fields_and_writes_nothing(control: Control) -> None:
    client = control.caller()

    found = {name: await bad_fields(client.Pause(request)) for name, (request, _) in _BAD_PAUSES.items()}

    assert found == {name: fields for name, (_, fields) in _BAD_PAUSES.items()}
    assert list((await client.ListExecutionControls(pb.ListExecutionControlsRequest())).controls) == []
    assert control.recorded == []


async def test_a_bad_check_is_refused_by_its_fields(control: Control) -> None:
    demo = pb.ExecutionScope(organization_id="demo")
    checks = {
        "no scopes": ([], {"scopes"}),
        "no organization": ([demo, pb.ExecutionScope()], {"scopes[1].organization_id"}),
        "zero byte": ([pb.ExecutionScope(organization_id="a\0")], {"scopes[0].organization_id"}),
        "long campaign": ([pb.ExecutionScope(organization_id="a", campaign_id="x" * 65)], {"scopes[0].campaign_id"}),
        "too many": ([demo] * 5001, {"scopes"}),
    }
    client = control.peer()

    found = {
        name: await bad_fields(client.CheckExecutions(pb.CheckExecutionsRequest(scopes=scopes)))
        for name, (scopes, _) in checks.items()
    }

    assert found == {name: fields for name, (_, fields) in checks.items()}
