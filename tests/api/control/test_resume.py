"""Resume as callers see it: what it names, what it must have seen, and how it goes on."""

import asyncio
from collections.abc import Awaitable
from math import nan

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.api.control.conftest import Control, Start, eventually
from tests.api.control.test_pause import bad_fields, denied, is_paused, pause_request, resume_request

from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2
from whatlead.control.v1 import control_pb2 as pb

WAIT = pb.PAUSE_WAIT_COMMITTED


async def paused(control: Control, request_id: str = "stop-1", **values: object) -> pb.ExecutionControl:
    return (await control.caller().Pause(pause_request(request_id, wait=WAIT, **values))).control


async def live(control: Control) -> list[pb.ExecutionControl]:
    listed = await control.caller().ListExecutionControls(pb.ListExecutionControlsRequest(live_only=True))
    return list(listed.controls)


async def refused(call: Awaitable[object]) -> Failure:
    with pytest.raises(Failure) as raised:
        await call
    return raised.value


async def allowed(control: Control, **names: str) -> pb.Allowed:
    scope = pb.ExecutionScope(organization_id="demo", **({"campaign_id": "welcome"} | names))
    answer = (await control.peer("gate").CheckExecutions(pb.CheckExecutionsRequest(scopes=[scope]))).answers[0]
    assert answer.WhichOneof("answer") == "allowed"
    return answer.allowed


async def test_several_pauses_are_lifted_at_once_in_the_order_of_the_request(control: Control) -> None:
    await paused(control, "a")
    await paused(control, "b", scope=pb.SCOPE_ORGANIZATION)
    await paused(control, "c", scope=pb.SCOPE_INSTANCE, target="sp-1")
    instance, organization, campaign = await live(control)

    answer = await control.caller().Resume(resume_request(campaign, instance))

    assert [one.control_id for one in answer.controls] == [campaign.control_id, instance.control_id]
    assert {one.state for one in answer.controls} == {pb.CONTROL_STATE_RESUMED}
    assert answer.control == answer.controls[0]
    assert [one.control_id for one in answer.remaining] == [organization.control_id]
    await control.caller().Resume(resume_request(answer.remaining[0], request_id="go-2"))
    assert not await is_paused(control, instance_id="sp-1")

    async def told() -> bool:
        return [one.type for one in control.recorded].count(event_pb2.EVENT_TYPE_EXECUTION_RESUMED) == 3

    await eventually(told)


@pytest.mark.parametrize("by", ["pause", "get", "list", "state"])
async def test_every_read_gives_an_etag_that_a_fence_does_not_spoil(control: Control, by: str) -> None:
    client = control.caller()
    made = await paused(control)
    etags = {
        "pause": made.etag,
        "get": (
            await client.GetExecutionControl(pb.GetExecutionControlRequest(control_id=made.control_id))
        ).control.etag,
        "list": (await live(control))[0].etag,
        "state": (await client.GetEffectiveState(pb.GetEffectiveStateRequest())).etag,
    }
    assert (await client.Pause(pause_request(), timeout=10)).control.state == pb.CONTROL_STATE_FENCED

    answer = await client.Resume(resume_request(made, etag=etags[by]))

    assert answer.controls[0].state == pb.CONTROL_STATE_RESUMED


@pytest.mark.parametrize(
    "added",
    [
        {},
        {"scope": pb.SCOPE_ORGANIZATION},
        {"scope": pb.SCOPE_INSTANCE, "target": "sp-1"},
        {"scope": pb.SCOPE_PLATFORM},
    ],
)
async def test_a_pause_added_since_the_read_stops_the_resume_and_is_named(
    control: Control, added: dict[str, object]
) -> None:
    made = await paused(control)
    role = "platform" if added.get("scope") == pb.SCOPE_PLATFORM else "owner"
    organization_id = "" if role == "platform" else "demo"
    other = (
        await control.caller(role=role, organization_id=organization_id, subject="eva").Pause(
            pause_request("stop-2", reason="too many complaints", wait=WAIT, **added)
        )
    ).control

    failure = await refused(control.caller().Resume(resume_request(made)))

    assert (failure.kind, failure.reason) == (Kind.ABORTED, "ETAG_MISMATCH")
    assert [violation.field for violation in failure.violations] == [other.control_id, made.control_id]
    assert "too many complaints" in failure.violations[0].description
    assert "eva" in failure.violations[0].description
    assert {one.control_id for one in await live(control)} == {made.control_id, other.control_id}


async def test_what_overlaps_nothing_or_has_ended_stops_no_resume(control: Control) -> None:
    made = await paused(control)
    await paused(control, "stop-2", target="spring")
    gone = await paused(control, "stop-3")
    await control.caller().Resume(resume_request(gone, request_id="go-3"))

    assert (await control.caller().Resume(resume_request(made))).controls[0].state == pb.CONTROL_STATE_RESUMED


async def test_the_platform_is_not_stopped_by_pauses_of_organizations(control: Control) -> None:
    platform = control.caller(role="platform", organization_id="", subject="ops")
    made = (await platform.Pause(pause_request(scope=pb.SCOPE_PLATFORM, wait=WAIT))).control
    await paused(control)

    await platform.Resume(resume_request(made))

    assert [one.target for one in await live(control)] == ["welcome"]


async def test_nothing_is_lifted_if_one_cannot_be(control: Control) -> None:
    await paused(control, "a")
    await paused(control, "b", target="spring")
    platform = control.caller(role="platform", organization_id="", subject="ops")
    everything = (await platform.Pause(pause_request(scope=pb.SCOPE_PLATFORM, wait=WAIT))).control
    foreign = (await control.caller(organization_id="other").Pause(pause_request(wait=WAIT))).control
    client = control.caller()
    spring, welcome = (one for one in await live(control) if one.scope == pb.SCOPE_CAMPAIGN)

    for stranger in (foreign, pb.ExecutionControl(control_id=str(uuid7()))):
        failure = await refused(client.Resume(resume_request(welcome, stranger)))
        assert failure.kind is Kind.NOT_FOUND
        assert stranger.control_id in failure.message
    await denied(client.Resume(resume_request(welcome, everything)))
    assert len(await live(control)) == 3

    await client.Resume(resume_request(spring))
    failure = await refused(client.Resume(resume_request(welcome, spring, request_id="go-2")))
    assert (failure.kind, failure.reason) == (Kind.FAILED_PRECONDITION, "WRONG_STATE")
    assert spring.control_id in failure.message
    assert welcome.control_id in {one.control_id for one in await live(control)}


async def test_a_repeated_resume_answers_the_same_and_other_content_is_refused(control: Control) -> None:
    await paused(control, "a")
    await paused(control, "b", target="spring")
    spring, welcome = await live(control)
    client = control.caller()
    first = await client.Resume(resume_request(welcome, spring))

    assert await client.Resume(resume_request(welcome, spring)) == first
    reordered = await client.Resume(resume_request(spring, welcome))
    assert list(reordered.controls) == list(reversed(first.controls))
    for other in (
        resume_request(welcome),
        resume_request(welcome, spring, reason="other"),
        resume_request(welcome, spring, immediate=None, ramp=pb.Ramp()),
    ):
        failure = await refused(client.Resume(other))
        assert (failure.kind, failure.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_two_resumes_at_once_at_two_replicas_lift_once(control: Control, start: Start) -> None:
    other = await start()
    for round_ in range(5):
        made = await paused(control, f"stop-{round_}")
        calls = [
            replica.caller().Resume(resume_request(made, request_id=f"go-{round_}-{number}"))
            for number, replica in enumerate((control, other))
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        failures = [one for one in answers if isinstance(one, Failure)]
        assert [(one.kind, one.reason) for one in failures] == [(Kind.FAILED_PRECONDITION, "WRONG_STATE")]


async def test_a_pause_added_while_a_resume_runs_is_seen_or_comes_after(control: Control, start: Start) -> None:
    """Whatever the order: if the resume lifted, the pause that was added holds; it is never lost."""
    other = await start()
    for round_ in range(8):
        made = await paused(control, f"stop-{round_}")
        resume = control.caller().Resume(resume_request(made, request_id=f"go-{round_}"))
        added, answer = await asyncio.gather(
            paused(other, f"more-{round_}"), asyncio.ensure_future(resume), return_exceptions=True
        )
        assert isinstance(added, pb.ExecutionControl)
        still = {one.control_id: one for one in await live(control)}
        assert added.control_id in still
        if isinstance(answer, Failure):
            assert answer.reason == "ETAG_MISMATCH"
            assert made.control_id in still
        else:
            assert made.control_id not in still
        newest = next(iter(still.values()))
        await control.caller().Resume(resume_request(*still.values(), etag=newest.etag, request_id=f"clean-{round_}"))


async def test_by_default_the_pace_grows_from_a_tenth(control: Control) -> None:
    made = await paused(control, scope=pb.SCOPE_ORGANIZATION)
    client = control.caller()
    assert (await client.GetEffectiveState(pb.GetEffectiveStateRequest())).rate_factor == 0

    answer = await client.Resume(resume_request(made, immediate=None))

    resumption = answer.controls[0].resumption
    assert resumption.ramp == pb.Ramp(from_share=0.1, duration=Duration(seconds=60))
    assert resumption.state == pb.RESUMPTION_STATE_RAMPING
    took = resumption.complete_time.ToDatetime() - answer.controls[0].ended_at.ToDatetime()
    assert took.total_seconds() == 60
    factors = [
        resumption.rate_factor,
        (await allowed(control)).rate_factor,
        (await client.GetEffectiveState(pb.GetEffectiveStateRequest(instance_id="sp-1"))).rate_factor,
        (await allowed(control, campaign_id="", instance_id="sp-9")).rate_factor,
    ]
    assert factors == sorted(factors)
    assert 0.1 <= factors[0] < factors[-1] < 0.5


async def test_a_ramp_reaches_the_full_pace_and_a_pause_over_it_just_pauses(control: Control) -> None:
    made = await paused(control)
    client = control.caller()
    ramp = pb.Ramp(from_share=0.5, duration=Duration(seconds=1))
    await client.Resume(resume_request(made, immediate=None, ramp=ramp))
    assert 0.5 <= (await allowed(control)).rate_factor < 1

    again = await paused(control, "stop-2")
    assert await is_paused(control)
    await client.Resume(resume_request(again, request_id="go-2"))

    async def at_full_pace() -> bool:
        return (await allowed(control)).rate_factor == 1

    await eventually(at_full_pace)
    found = await client.GetExecutionControl(pb.GetExecutionControlRequest(control_id=made.control_id))
    assert (found.control.resumption.state, found.control.resumption.rate_factor) == (
        pb.RESUMPTION_STATE_COMPLETE,
        1.0,
    )


async def test_a_ramp_of_one_campaign_slows_down_no_other(control: Control) -> None:
    made = await paused(control)
    await control.caller().Resume(resume_request(made, immediate=None))

    assert (await allowed(control)).rate_factor < 0.5
    assert (await allowed(control, campaign_id="spring")).rate_factor == 1


async def test_immediate_is_at_full_pace_at_once(control: Control) -> None:
    made = await paused(control)
    answer = await control.caller().Resume(resume_request(made))

    assert answer.controls[0].resumption.state == pb.RESUMPTION_STATE_COMPLETE
    assert (await allowed(control)) == pb.Allowed(rate_factor=1.0)


async def test_a_canary_limits_how_many_may_go(control: Control) -> None:
    made = await paused(control)
    answer = await control.caller().Resume(
        resume_request(made, immediate=None, canary=pb.Canary(sends=20, max_failure_share=0.05))
    )

    resumption = answer.controls[0].resumption
    assert resumption.state == pb.RESUMPTION_STATE_CANARY
    assert resumption.canary.watch == Duration(seconds=30)
    assert not resumption.HasField("complete_time")
    assert (await allowed(control)).canary == pb.CanaryLimit(control_id=made.control_id, sends=20)
    assert not (await allowed(control, campaign_id="spring")).HasField("canary")


@pytest.mark.parametrize("plan", [{"canary": pb.Canary(sends=20)}, {"ramp": pb.Ramp()}], ids=["canary", "ramp"])
async def test_the_newest_plan_of_a_scope_counts(control: Control, plan: dict[str, object]) -> None:
    first = await paused(control)
    await control.caller().Resume(resume_request(first, immediate=None, **plan))
    assert await allowed(control) != pb.Allowed(rate_factor=1.0)
    again = await paused(control, "stop-2")
    await control.caller().Resume(resume_request(again, request_id="go-2"))

    assert await allowed(control) == pb.Allowed(rate_factor=1.0)


async def test_a_canary_is_of_one_scope(control: Control) -> None:
    campaign, everything = (
        await paused(control),
        await paused(control, "stop-2", scope=pb.SCOPE_ORGANIZATION, target=""),
    )
    canary = pb.Canary(sends=5)

    fields = await bad_fields(
        control.caller().Resume(resume_request(everything, campaign, immediate=None, canary=canary))
    )

    assert fields == {"canary"}
    assert len(await live(control)) == 2


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"immediate": pb.Immediate()}, "IMMEDIATE"),
        ({}, "RAMP from 10 % in 60 s"),
        ({"ramp": pb.Ramp(from_share=0.25, duration=Duration(seconds=90))}, "RAMP from 25 % in 90 s"),
        ({"canary": pb.Canary(sends=5)}, "CANARY of 5, at most 0 % failed, watched for 30 s"),
    ],
)
async def test_the_event_says_how_it_goes_on(control: Control, plan: dict[str, object], words: str) -> None:
    made = await paused(control)
    await control.caller().Resume(resume_request(made, **{"immediate": None, **plan}))

    async def told() -> bool:
        return event_pb2.EVENT_TYPE_EXECUTION_RESUMED in {event.type for event in control.recorded}

    await eventually(told)
    (event,) = (one for one in control.recorded if one.type == event_pb2.EVENT_TYPE_EXECUTION_RESUMED)
    assert (event.pause.plan, event.pause.note, event.actor) == (words, "corrected", "ana")


_GHOST = pb.ExecutionControl(control_id="01890a5d-ac96-774b-bcce-b302099a8057", etag="v1.0")
_MANY = [pb.ExecutionControl(control_id=str(uuid7()), etag="v1.0") for _ in range(101)]


def ramp(from_share: float = 0.1, **duration: int) -> dict[str, object]:
    given = {"duration": Duration(**duration)} if duration else {}
    return {"immediate": None, "ramp": pb.Ramp(from_share=from_share, **given)}


def canary(sends: int = 20, share: float = 0.0, **watch: int) -> dict[str, object]:
    given = {"watch": Duration(**watch)} if watch else {}
    return {"immediate": None, "canary": pb.Canary(sends=sends, max_failure_share=share, **given)}


_BAD = {
    "nothing": (pb.ResumeRequest(), {"request_id", "reason"}),
    "no pause": (pb.ResumeRequest(request_id="a", reason="b", etag="v1.0"), {"control_ids"}),
    "no etag": (pb.ResumeRequest(request_id="a", reason="b", control_ids=[_GHOST.control_id]), {"etag"}),
    "blank reason and no etag": (
        pb.ResumeRequest(request_id="a", reason=" ", control_ids=[_GHOST.control_id]),
        {"reason", "etag"},
    ),
    "garbage etag": (resume_request(_GHOST, etag="latest"), {"etag"}),
    "half an etag": (resume_request(_GHOST, etag="v1."), {"etag"}),
    "negative etag": (resume_request(_GHOST, etag="v-1.0"), {"etag"}),
    "foreign digits": (resume_request(_GHOST, etag="v\u0661.0"), {"etag"}),
    "etag with a newline": (resume_request(_GHOST, etag="v1.0\n"), {"etag"}),
    "endless etag": (resume_request(_GHOST, etag="v" + "9" * 70 + ".0"), {"etag"}),
    "no uuid": (resume_request(pb.ExecutionControl(control_id="x"), etag="v1.0"), {"control_ids[0]"}),
    "the same twice": (resume_request(_GHOST, _GHOST), {"control_ids"}),
    "101 pauses": (resume_request(*_MANY), {"control_ids"}),
    "zero byte": (resume_request(_GHOST, request_id="a\0"), {"request_id"}),
    "ramp from nan": (resume_request(_GHOST, **ramp(nan)), {"ramp.from_share"}),
    "ramp from below 0": (resume_request(_GHOST, **ramp(-0.1)), {"ramp.from_share"}),
    "ramp from next to nothing": (resume_request(_GHOST, **ramp(1e-300)), {"ramp.from_share"}),
    "ramp from above 1": (resume_request(_GHOST, **ramp(1.01)), {"ramp.from_share"}),
    "ramp in no time": (resume_request(_GHOST, **ramp(seconds=0, nanos=5)), {"ramp.duration"}),
    "ramp in a day": (resume_request(_GHOST, **ramp(seconds=86400)), {"ramp.duration"}),
    "ramp with impossible nanos": (resume_request(_GHOST, **ramp(seconds=5, nanos=-5)), {"ramp.duration"}),
    "canary of none": (resume_request(_GHOST, **canary(0)), {"canary.sends"}),
    "canary of all": (resume_request(_GHOST, **canary(1001)), {"canary.sends"}),
    "canary that may fail": (resume_request(_GHOST, **canary(share=1.0)), {"canary.max_failure_share"}),
    "canary with nan": (resume_request(_GHOST, **canary(share=nan)), {"canary.max_failure_share"}),
    "canary watched backwards": (resume_request(_GHOST, **canary(seconds=-1)), {"canary.watch"}),
}


async def test_a_bad_resume_is_refused_by_its_fields(control: Control) -> None:
    client = control.caller()

    found = {name: await bad_fields(client.Resume(request)) for name, (request, _) in _BAD.items()}

    assert found == {name: fields for name, (_, fields) in _BAD.items()}


async def test_the_same_pause_in_two_spellings_is_one(control: Control) -> None:
    made = await paused(control)
    request = resume_request(made)
    request.control_ids.append(made.control_id.upper())
    request.control_id = made.control_id

    assert len((await control.caller().Resume(request)).controls) == 1


@pytest.mark.parametrize("etag", ["v0.0", "v999999999999999999.999999999999999999", "v1.5"])
async def test_an_etag_of_no_read_of_the_pause_lifts_nothing(control: Control, etag: str) -> None:
    made = await paused(control)

    failure = await refused(control.caller().Resume(resume_request(made, etag=etag)))

    assert (failure.kind, failure.reason) == (Kind.ABORTED, "ETAG_MISMATCH")
    assert await is_paused(control)


async def test_what_the_gate_and_canaries_paused_is_told_apart(control: Control) -> None:
    request = pause_request(organization_id="demo", source=pb.SOURCE_AUTO, wait=WAIT)
    await control.peer("gate").Pause(request)

    state = await control.caller().GetEffectiveState(pb.GetEffectiveStateRequest(campaign_id="welcome"))

    assert [(one.source, one.paused_by) for one in state.controls] == [(pb.SOURCE_AUTO, "gate")]
