"""Pause with validate_only: what it would stop, asked of gate and executor, and nothing paused."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.api.control.conftest import Control, running_control
from tests.api.control.neighbours import Counted, neighbours
from tests.api.control.test_pause import bad_fields, denied, in_, pause_request

from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2 as pb
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import gate_pb2


@pytest.fixture
async def counted() -> Counted:
    return Counted()


@pytest.fixture
async def previewing(url: str, counted: Counted) -> AsyncIterator[Control]:
    """A replica with neighbours that answer."""
    async with neighbours(counted) as targets, running_control(url, **targets) as control:
        yield control


def intents(campaign_id: str, count: int, instance_id: str = "") -> gate_pb2.WaitingIntents:
    return gate_pb2.WaitingIntents(
        organization_id="demo", instance_id=instance_id, campaign_id=campaign_id, intents=count
    )


def jobs(campaign_id: str, instance_id: str, waiting: int, in_flight: int) -> executor_pb2.WorkingJobs:
    return executor_pb2.WorkingJobs(
        organization_id="demo",
        instance_id=instance_id,
        campaign_id=campaign_id,
        waiting=waiting,
        in_flight=in_flight,
    )


async def test_it_answers_what_would_be_stopped_and_pauses_nothing(previewing: Control, counted: Counted) -> None:
    counted.intents += [intents("welcome", 100), intents("spring", 7, "sp-1")]
    counted.jobs += [jobs("welcome", "sp-1", 40, 3), jobs("welcome", "rj-1", 10, 0), jobs("spring", "rj-1", 0, 1)]
    counted.together = asyncio.Barrier(2)  # each waits until the other is asked too
    client = previewing.caller()

    answer = await client.Pause(pause_request(scope=pb.SCOPE_ORGANIZATION, validate_only=True), timeout=10)

    assert not answer.HasField("control")
    radius = answer.blast_radius
    assert radius.total == pb.WorkCount(intents=107, jobs=50, in_flight=4)
    assert [(one.campaign_id, one.work) for one in radius.campaigns] == [
        ("welcome", pb.WorkCount(intents=100, jobs=50, in_flight=3)),
        ("spring", pb.WorkCount(intents=7, in_flight=1)),
    ]
    assert [(one.organization_id, one.instance_id) for one in radius.instances] == [
        ("demo", ""),
        ("demo", "sp-1"),
        ("demo", "rj-1"),
    ]
    assert list((await client.ListExecutionControls(pb.ListExecutionControlsRequest())).controls) == []
    state = await client.GetEffectiveState(pb.GetEffectiveStateRequest())
    assert (state.status, state.organization_version) == (pb.EXECUTION_STATUS_ACTIVE, 0)
    assert previewing.recorded == []


@pytest.mark.parametrize(
    ("role", "request_", "named"),
    [
        ("owner", pause_request(), ("demo", "", "welcome")),
        ("owner", pause_request(scope=pb.SCOPE_INSTANCE, target="sp-1"), ("demo", "sp-1", "")),
        ("owner", pause_request(scope=pb.SCOPE_ORGANIZATION), ("demo", "", "")),
        ("platform", pause_request(scope=pb.SCOPE_PLATFORM), ("", "", "")),
    ],
)
async def test_both_are_asked_about_the_scope(
    previewing: Control, counted: Counted, role: str, request_: pb.PauseRequest, named: tuple[str, str, str]
) -> None:
    request_.validate_only = True
    await previewing.caller(role=role).Pause(request_, timeout=10)

    assert [(one.organization_id, one.instance_id, one.campaign_id) for one in counted.asked] == [named, named]


async def test_what_pause_refuses_it_refuses(previewing: Control, counted: Counted) -> None:
    member = previewing.caller(role="member")
    await denied(member.Pause(pause_request(scope=pb.SCOPE_ORGANIZATION, validate_only=True)))
    for bad, fields in (
        (pause_request(target="", validate_only=True), {"target"}),
        (pause_request(reason=" ", validate_only=True), {"reason"}),
        (pause_request(paused_until=in_(seconds=-5), validate_only=True), {"paused_until"}),
        (pause_request(source=pb.SOURCE_AUTO, validate_only=True), {"source"}),
    ):
        assert await bad_fields(member.Pause(bad)) == fields
    assert counted.asked == []


async def test_a_neighbour_that_does_not_answer_is_named_and_the_pause_needs_none(
    url: str, previewing: Control, counted: Counted
) -> None:
    counted.gate_is_down = True
    with pytest.raises(Failure, match="gate") as refused:
        await previewing.caller().Pause(pause_request(validate_only=True), timeout=10)
    assert refused.value.kind is Kind.UNAVAILABLE

    async with running_control(url) as alone:
        with pytest.raises(Failure, match=r"executor|gate") as refused:
            await alone.caller().Pause(pause_request(validate_only=True), timeout=20)
        assert refused.value.kind is Kind.UNAVAILABLE
        answer = await alone.caller().Pause(pause_request(), timeout=10)
    assert answer.control.state == pb.CONTROL_STATE_FENCED
