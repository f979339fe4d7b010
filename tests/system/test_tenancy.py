"""One organization sees and stops only what is its own, and a member may not read what is for owners."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from tests.system.scenario import Scenario, leads, organization, running

from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2, metrics_pb2, timeline_pb2
from whatlead.control.v1 import control_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import gate_pb2

Call = Callable[[Scenario, str, str], Awaitable[object]]

FOREIGN: dict[str, Call] = {
    "intent": lambda they, intent_id, _: they.stubs.gate.GetIntent(gate_pb2.GetIntentRequest(intent_id=intent_id)),
    "job": lambda they, intent_id, _: they.stubs.executor.GetJob(executor_pb2.GetJobRequest(intent_id=intent_id)),
    "timeline": lambda they, intent_id, _: they.stubs.timelines.GetMessageIntentTimeline(
        timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id)
    ),
    "pause": lambda they, _, control_id: they.stubs.control.GetExecutionControl(
        control_pb2.GetExecutionControlRequest(control_id=control_id)
    ),
    "resume": lambda they, _, control_id: they.stubs.control.Resume(
        control_pb2.ResumeRequest(request_id="r", control_ids=[control_id], etag="v1.0", reason="not mine")
    ),
}

FOR_OWNERS: dict[str, Call] = {
    "timeline": FOREIGN["timeline"],
    "events": lambda they, *_: they.stubs.events.ListEvents(event_pb2.ListEventsRequest()),
    "metrics": lambda they, *_: they.stubs.metrics.GetOrganizationMetrics(
        metrics_pb2.GetOrganizationMetricsRequest(window_minutes=5)
    ),
    "resume": FOREIGN["resume"],
}


async def refusal(call: Awaitable[object]) -> Failure:
    with pytest.raises(Failure) as raised:
        await call
    return raised.value


def without(message: str, ids: Sequence[str]) -> str:
    """Return a message without the ids that were asked for."""
    for one in ids:
        message = message.replace(one, "it")
    return message


async def test_foreign_is_not_found_and_a_member_is_denied(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as system,
        organization(system, "acme") as acme,
        organization(system, "acme", role="member", ready=False) as member,
        organization(system, "rival") as rival,
    ):
        (result,) = await acme.submit(leads(1))
        request = control_pb2.PauseRequest(
            request_id=str(uuid7()), scope=control_pb2.SCOPE_CAMPAIGN, target="campaign-1", reason="acme's own"
        )
        control_id = (await acme.stubs.control.Pause(request, timeout=30)).control.control_id
        missing = str(uuid7())
        for name, call in FOREIGN.items():
            foreign = await refusal(call(rival, result.intent_id, control_id))
            absent = await refusal(call(rival, missing, missing))
            assert foreign.kind is absent.kind is Kind.NOT_FOUND, name
            ids = (result.intent_id, control_id, missing)
            assert without(foreign.message, ids) == without(absent.message, ids), name
        for name, call in FOR_OWNERS.items():
            denied = await refusal(call(member, result.intent_id, control_id))
            assert denied.kind is Kind.PERMISSION_DENIED, name
        # The rival's campaign of the same name goes on.
        await rival.submit(leads(3))
        await rival.sent_reaches(3)
