"""Sessions as an executor meets them."""

from collections.abc import Awaitable

import pytest
from tests.api.control.conftest import Control, eventually
from tests.api.control.test_pause import bad_fields, denied

from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.control.v1 import control_pb2 as pb

DEMO = pb.ExecutionScope(organization_id="demo", campaign_id="welcome")


async def register(control: Control, session_id: str = "") -> str:
    """Register a session and return its id."""
    session_id = session_id or str(uuid7())
    request = pb.RegisterSessionRequest(session_id=session_id, executor="executor-1")
    assert (await control.peer().RegisterSession(request)).lease.ToMilliseconds() == 3000
    return session_id


def check(control: Control, session_id: str) -> Awaitable[pb.CheckExecutionsResponse]:
    return control.peer().CheckExecutions(pb.CheckExecutionsRequest(scopes=[DEMO], session_id=session_id))


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
    await register(control, session_id)
    await register(control, session_id)
    assert (await check(control, session_id)).answers[0].HasField("allowed")

    await control.peer().EndSession(pb.EndSessionRequest(session_id=session_id))
    await control.peer().EndSession(pb.EndSessionRequest(session_id=session_id))

    assert await ended(check(control, session_id))
    assert await ended(control.peer().AcknowledgePauses(pb.AcknowledgePausesRequest(session_id=session_id)))


async def test_a_session_lives_as_long_as_it_is_extended(control: Control) -> None:
    extended, silent = await register(control), await register(control)

    async def silent_one_is_over() -> bool:
        answer = await control.peer().AcknowledgePauses(pb.AcknowledgePausesRequest(session_id=extended))
        assert answer.lease.ToMilliseconds() == 3000
        return await ended(check(control, silent))

    await eventually(silent_one_is_over)
    assert (await check(control, extended)).answers[0].HasField("allowed")
    over = pb.RegisterSessionRequest(session_id=silent, executor="executor-1")
    assert await ended(control.peer().RegisterSession(over))


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
    assert await bad_fields(control.peer().RegisterSession(request_)) == fields


async def test_a_bad_acknowledgement_is_refused_by_its_fields(control: Control) -> None:
    session_id = str(uuid7())
    bad = {
        "session_id": pb.AcknowledgePausesRequest(session_id="1"),
        "control_ids[0]": pb.AcknowledgePausesRequest(session_id=session_id, control_ids=["1"]),
        "control_ids": pb.AcknowledgePausesRequest(session_id=session_id, control_ids=[session_id] * 1001),
    }

    assert [await bad_fields(control.peer().AcknowledgePauses(request)) for request in bad.values()] == [
        {field} for field in bad
    ]
    assert await bad_fields(control.peer().EndSession(pb.EndSessionRequest())) == {"session_id"}
