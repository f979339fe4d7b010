"""Sessions as an executor meets them."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from tests.api.control.conftest import Control, Start, eventually
from tests.api.control.test_pause import W, bad_fields, denied, pause_request
from tests.postgres import Databases

from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.control.v1 import control_pb2 as pb

DEMO = pb.ExecutionScope(organization_id="demo", campaign_id="welcome")


def check(control: Control, session_id: str) -> Awaitable[pb.CheckExecutionsResponse]:
    return control.peer("executor").CheckExecutions(pb.CheckExecutionsRequest(scopes=[DEMO], session_id=session_id))


async def ended(call: Awaitable[object]) -> bool:
    """Tell whether a call is refused because the session is over; any other refusal is raised."""
    try:
        await call
    except Failure as failure:
        if (failure.kind, failure.reason) != (Kind.FAILED_PRECONDITION, "SESSION_ENDED"):
            raise
        return True
    return False


async def test_permits_are_for_sessions_that_are_registered_and_not_over(control: Control) -> None:
    session_id = str(uuid7())
    assert await ended(check(control, session_id))
    await control.register(session_id)
    await control.register(session_id)
    assert (await check(control, session_id)).answers[0].HasField("allowed")

    await control.peer("executor").EndSession(pb.EndSessionRequest(session_id=session_id))
    await control.peer("executor").EndSession(pb.EndSessionRequest(session_id=session_id))

    assert await ended(check(control, session_id))
    assert await ended(control.peer("executor").AcknowledgePauses(pb.AcknowledgePausesRequest(session_id=session_id)))


async def test_an_executor_must_name_its_session_and_nobody_else_may(control: Control) -> None:
    nameless = pb.CheckExecutionsRequest(scopes=[DEMO])
    assert await bad_fields(control.peer("executor").CheckExecutions(nameless)) == {"session_id"}
    named = pb.CheckExecutionsRequest(scopes=[DEMO], session_id=await control.register())
    assert await bad_fields(control.peer("gate").CheckExecutions(named)) == {"session_id"}


async def test_a_session_lives_as_long_as_it_is_extended(control: Control) -> None:
    extended, silent = await control.register(), await control.register()

    async def silent_one_is_over() -> bool:
        answer = await control.peer("executor").AcknowledgePauses(pb.AcknowledgePausesRequest(session_id=extended))
        assert answer.lease.ToMilliseconds() == 3000
        return await ended(check(control, silent))

    await eventually(silent_one_is_over)
    assert (await check(control, extended)).answers[0].HasField("allowed")
    over = pb.RegisterSessionRequest(session_id=silent, executor="executor-1")
    assert await ended(control.peer("executor").RegisterSession(over))


async def test_pause_answers_as_soon_as_every_session_has_acknowledged(
    control: Control, start: Start, url: str, databases: Databases
) -> None:
    """W is 5 s here: only acknowledgements can bring the answer before that."""
    administrator = databases.connect(databases.server.url(database=url.rpartition("/")[2]))
    async with administrator.transaction() as tx:
        await tx.connection.execute("UPDATE control.permit_limit SET ttl_max = interval '5 seconds'")
    other = await start()
    sessions = [await control.register(), await other.register()]
    with pytest.raises(Failure) as late:
        await control.caller().Pause(pause_request(), timeout=0.5)
    assert late.value.kind is Kind.DEADLINE_EXCEEDED
    (made,) = (await control.caller().ListExecutionControls(pb.ListExecutionControlsRequest())).controls
    waiting = asyncio.ensure_future(control.caller().Pause(pause_request(), timeout=10))

    for replica, session_id in zip((control, other), sessions, strict=True):
        request = pb.AcknowledgePausesRequest(session_id=session_id, control_ids=[made.control_id])
        await replica.peer("executor").AcknowledgePauses(request)

    fenced = (await waiting).control
    assert (fenced.control_id, fenced.state) == (made.control_id, pb.CONTROL_STATE_FENCED)
    assert fenced.fenced_at.ToDatetime() - fenced.create_time.ToDatetime() < timedelta(seconds=5)
    assert (fenced.version, made.version) == (2, 1)


async def test_without_a_session_pause_answers_at_once(control: Control) -> None:
    made = (await control.caller().Pause(pause_request(), timeout=10)).control

    assert made.state == pb.CONTROL_STATE_FENCED
    assert made.fenced_at.ToDatetime() - made.create_time.ToDatetime() < timedelta(seconds=W)


async def test_sessions_are_for_executors_only(control: Control) -> None:
    request = pb.RegisterSessionRequest(session_id=str(uuid7()), executor="executor-1")
    for client in (control.caller(), control.peer("gate")):
        await denied(client.RegisterSession(request))
        await denied(client.AcknowledgePauses(pb.AcknowledgePausesRequest(session_id=request.session_id)))
        await denied(client.EndSession(pb.EndSessionRequest(session_id=request.session_id)))


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.RegisterSessionRequest(), {"session_id", "executor"}),
        (pb.RegisterSessionRequest(session_id="x", executor="e" * 129), {"session_id", "executor"}),
        (pb.RegisterSessionRequest(session_id=str(uuid7()), executor="a\0"), {"executor"}),
    ],
    ids=["nothing", "no uuid and a long name", "zero byte"],
)
async def test_a_bad_registration_is_refused_by_its_fields(
    control: Control, request_: pb.RegisterSessionRequest, fields: set[str]
) -> None:
    assert await bad_fields(control.peer("executor").RegisterSession(request_)) == fields


async def test_a_bad_acknowledgement_is_refused_by_its_fields(control: Control) -> None:
    session_id = str(uuid7())
    bad = {
        "session_id": pb.AcknowledgePausesRequest(session_id="1"),
        "control_ids[0]": pb.AcknowledgePausesRequest(session_id=session_id, control_ids=["1"]),
        "control_ids": pb.AcknowledgePausesRequest(session_id=session_id, control_ids=[session_id] * 1001),
    }

    assert [await bad_fields(control.peer("executor").AcknowledgePauses(request)) for request in bad.values()] == [
        {field} for field in bad
    ]
    assert await bad_fields(control.peer("executor").EndSession(pb.EndSessionRequest())) == {"session_id"}
