"""A resume with a canary from its call to its end, with the executor's counts played by the test."""

from collections.abc import AsyncIterator

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.api.control.conftest import Control, eventually, running_control
from tests.api.control.neighbours import Counted, neighbours
from tests.api.control.test_pause import is_paused
from tests.api.control.test_resume import allowed, live, paused, resume_request

from whatlead.audit.v1 import event_pb2
from whatlead.control.v1 import control_pb2 as pb
from whatlead.executor.v1 import executor_pb2

PASSED, FAILED = event_pb2.EVENT_TYPE_EXECUTION_CANARY_PASSED, event_pb2.EVENT_TYPE_EXECUTION_CANARY_FAILED


@pytest.fixture
async def counted() -> Counted:
    return Counted()


@pytest.fixture
async def replicas(url: str, counted: Counted) -> AsyncIterator[list[Control]]:
    """Two replicas on one database, with an executor that counts."""
    async with (
        neighbours(counted) as targets,
        running_control(url, **targets) as first,
        running_control(url, **targets) as second,
    ):
        yield [first, second]


async def begin(control: Control) -> pb.ExecutionControl:
    made = await paused(control)
    canary = pb.Canary(sends=20, watch=Duration(seconds=0), max_failure_share=0.05)
    return (await control.caller().Resume(resume_request(made, immediate=None, canary=canary))).controls[0]


async def found(control: Control, control_id: str) -> pb.ExecutionControl:
    request = pb.GetExecutionControlRequest(control_id=control_id)
    return (await control.caller().GetExecutionControl(request)).control


def events(replicas: list[Control], type_: event_pb2.EventType.ValueType) -> list[event_pb2.OperationalEvent]:
    return [event for control in replicas for event in control.recorded if event.type == type_]


async def test_a_canary_that_goes_well_ramps(replicas: list[Control], counted: Counted) -> None:
    control = replicas[0]
    made = await begin(control)
    counted.canary = executor_pb2.CountCanaryResponse(sends=20, succeeded=19, failed=1)

    async def ramps() -> bool:
        return (await found(control, made.control_id)).resumption.state == pb.RESUMPTION_STATE_RAMPING

    async def told() -> bool:
        return bool(events(replicas, PASSED))

    await eventually(ramps)
    answer = await allowed(control)
    assert 0.1 <= answer.rate_factor < 0.5
    assert not answer.HasField("canary")
    await eventually(told)
    (event,) = events(replicas, PASSED)
    assert (event.aggregate_id, event.actor, event.pause.plan) == (
        made.control_id,
        "system",
        "RAMP from 10 % in 60 s",
    )


async def test_a_canary_that_fails_is_paused_again_by_control(replicas: list[Control], counted: Counted) -> None:
    control = replicas[0]
    made = await begin(control)
    counted.canary = executor_pb2.CountCanaryResponse(sends=9, succeeded=6, failed=2)

    async def stopped() -> bool:
        return await is_paused(control)

    async def told() -> bool:
        return bool(events(replicas, FAILED))

    await eventually(stopped)
    (again,) = await live(control)
    assert (again.source, again.paused_by, again.target) == (pb.SOURCE_AUTO, "control", "welcome")
    assert again.reason == "the canary failed: 2 of 9 sends without success"
    resumption = (await found(control, made.control_id)).resumption
    assert (resumption.state, resumption.failed_control_id) == (pb.RESUMPTION_STATE_FAILED, again.control_id)

    async def fenced() -> bool:
        return (await found(control, again.control_id)).state == pb.CONTROL_STATE_FENCED

    await eventually(fenced)
    await eventually(told)
    (event,) = events(replicas, FAILED)
    assert (event.aggregate_id, event.pause.note) == (made.control_id, f"pause {again.control_id} took its place")
    counted.canary = executor_pb2.CountCanaryResponse()
    await control.caller().Resume(resume_request(again, request_id="go-2"))
    assert not (await allowed(control)).HasField("canary")
