"""Checks, states, lists and streams as callers see them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from tests.api.control.conftest import Control, Start, eventually
from tests.api.control.test_pause import bad_fields, denied, is_paused, pause_request, resume_request
from tests.postgres import Databases, counting

from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2 as pb

COMMITTED = pb.PAUSE_WAIT_COMMITTED


def scopes(count: int) -> pb.CheckExecutionsRequest:
    return pb.CheckExecutionsRequest(
        scopes=[
            pb.ExecutionScope(organization_id=f"org-{number % 10}", instance_id=f"i{number}", campaign_id="welcome")
            for number in range(count)
        ]
    )


async def test_a_check_answers_each_scope_with_both_versions_and_the_ttl(control: Control) -> None:
    await control.register()
    client, platform = control.caller(), control.caller(role="platform", organization_id="", subject="ops")
    made = (await client.Pause(pause_request(reason="wrong template", wait=COMMITTED))).control
    everything = (await platform.Pause(pause_request(scope=pb.SCOPE_PLATFORM, wait=COMMITTED))).control
    await platform.Resume(resume_request(everything))
    asked = [
        pb.ExecutionScope(organization_id="demo", campaign_id="welcome"),
        pb.ExecutionScope(organization_id="demo", campaign_id="spring"),
        pb.ExecutionScope(organization_id="other", campaign_id="welcome"),
    ]

    answer = await control.peer().CheckExecutions(pb.CheckExecutionsRequest(scopes=asked))

    paused, spring, other = answer.answers
    assert list(paused.paused.control_ids) == [made.control_id]
    assert paused.paused.reason == "wrong template"
    assert not paused.paused.HasField("paused_until")
    assert (spring.allowed.rate_factor, other.allowed.rate_factor) == (1.0, 1.0)
    assert [one.organization_version for one in answer.answers] == [1, 1, 0]
    assert answer.platform_version == 2
    assert answer.ttl.ToMilliseconds() == 500


async def test_a_check_of_200_scopes_is_one_statement(control: Control) -> None:
    client = control.peer()
    await client.CheckExecutions(scopes(1))
    with counting(control.databases.checks) as statements:
        answer = await client.CheckExecutions(scopes(200))
    assert len(statements) == 1
    assert [one.WhichOneof("answer") for one in answer.answers] == ["allowed"] * 200


async def test_a_check_asked_after_pause_answered_is_never_allowed(control: Control, start: Start) -> None:
    """Checks of both replicas run all the time; each asked after the commit must meet the pause."""
    other = await start()
    client, peers = control.caller(), [control.peer(), other.peer()]
    request = pb.CheckExecutionsRequest(scopes=[pb.ExecutionScope(organization_id="demo", campaign_id="welcome")])
    committed_at, wrong, asked, running = float("inf"), 0, 0, True

    async def ask_on(peer: object) -> None:
        nonlocal wrong, asked
        while running:
            began = time.monotonic()
            answer = (await peer.CheckExecutions(request)).answers[0]  # type: ignore[attr-defined]
            if began > committed_at:
                asked += 1
                wrong += answer.WhichOneof("answer") != "paused"

    askers = [asyncio.create_task(ask_on(peer)) for peer in peers for _ in range(8)]
    for number in range(10):
        made = (await client.Pause(pause_request(f"stop-{number}", wait=COMMITTED))).control
        committed_at, before = time.monotonic(), asked

        async def enough(before: int = before) -> bool:
            return asked > before + 20

        await eventually(enough)
        committed_at = float("inf")
        await client.Resume(resume_request(made, request_id=f"go-{number}"))
    running = False
    await asyncio.gather(*askers)

    assert wrong == 0
    assert asked > 200


async def test_only_the_executor_and_the_gate_may_check(control: Control) -> None:
    await control.peer("gate").CheckExecutions(scopes(1))
    await denied(control.peer("audit").CheckExecutions(scopes(1)))
    await denied(control.caller().CheckExecutions(scopes(1)))


async def test_a_database_that_takes_no_writes_gets_no_permits_out(
    control: Control, url: str, databases: Databases
) -> None:
    client = control.peer()
    await client.CheckExecutions(scopes(1))
    administrator = databases.connect(databases.server.url(database=url.rpartition("/")[2]))
    async with administrator.transaction() as tx:
        await tx.connection.execute("LOCK TABLE control.heartbeat IN EXCLUSIVE MODE")
        began = time.monotonic()

        await eventually(lambda: _is_not(_answers(control)))
        with pytest.raises(Failure) as refused:
            await client.CheckExecutions(scopes(1), timeout=5)
        assert time.monotonic() - began < 8
        assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        assert refused.value.retry_after is not None
    await eventually(lambda: _answers(control))


async def _is_not(holds: Awaitable[bool]) -> bool:
    return not await holds


async def _answers(control: Control) -> bool:
    try:
        await control.peer().CheckExecutions(scopes(1), timeout=5)
    except Failure:
        return False
    return True


async def test_the_effective_state_names_the_pauses_that_cover(control: Control) -> None:
    await control.register()
    client = control.caller(role="member")
    number = (await client.Pause(pause_request("a", scope=pb.SCOPE_INSTANCE, target="sp-1", wait=COMMITTED))).control
    campaign = (await client.Pause(pause_request("b", wait=COMMITTED))).control

    async def covering(**asked: str) -> list[str]:
        state = await client.GetEffectiveState(pb.GetEffectiveStateRequest(**asked))
        paused = state.status == pb.EXECUTION_STATUS_PAUSED
        assert paused is bool(state.controls)
        assert (state.organization_version, state.platform_version) == (2, 0)
        return [one.control_id for one in state.controls]

    assert await covering() == []
    assert await covering(instance_id="sp-1") == [number.control_id]
    assert await covering(instance_id="sp-1", campaign_id="welcome") == [number.control_id, campaign.control_id]
    assert await covering(instance_id="sp-2", campaign_id="spring") == []


async def test_lists_are_paged_and_their_tokens_bound(control: Control) -> None:
    client = control.caller()
    made = [(await client.Pause(pause_request(f"stop-{n}", wait=COMMITTED))).control.control_id for n in range(5)]
    first = await client.ListExecutionControls(pb.ListExecutionControlsRequest(page_size=3))
    rest = await client.ListExecutionControls(
        pb.ListExecutionControlsRequest(page_size=2, page_token=first.next_page_token)
    )

    assert [one.control_id for one in [*first.controls, *rest.controls]] == sorted(made, reverse=True)
    assert rest.next_page_token == ""
    for asked, as_ in (
        (pb.ListExecutionControlsRequest(page_token=first.next_page_token, live_only=True), client),
        (pb.ListExecutionControlsRequest(page_token=first.next_page_token), control.caller(organization_id="other")),
        (pb.ListExecutionControlsRequest(page_token="x"), client),
    ):
        with pytest.raises(Failure) as refused:
            await as_.ListExecutionControls(asked)
        assert (refused.value.kind, refused.value.reason) == (Kind.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


_BAD_LISTS = {
    "page_size": (pb.ListExecutionControlsRequest(page_size=1001), pb.ListExecutionControlsRequest(page_size=-1)),
    "scope": (pb.ListExecutionControlsRequest(scope=42),),  # type: ignore[arg-type]
    "target": (pb.ListExecutionControlsRequest(target="a\0"), pb.ListExecutionControlsRequest(target="x" * 65)),
}


async def test_a_bad_list_is_refused_by_its_field(control: Control) -> None:
    client = control.caller()
    for field, requests in _BAD_LISTS.items():
        for asked in requests:
            assert await bad_fields(client.ListExecutionControls(asked)) == {field}


@asynccontextmanager
async def watching(client: object) -> AsyncIterator[list[pb.WatchExecutionControlsResponse]]:
    """Collect the messages of a stream whose snapshot has arrived."""
    messages: list[pb.WatchExecutionControlsResponse] = []
    stream = client.WatchExecutionControls(pb.WatchExecutionControlsRequest())  # type: ignore[attr-defined]

    async def read() -> None:
        async for message in stream:
            messages.append(message)  # noqa: PERF401

    task = asyncio.create_task(read())

    async def opened() -> bool:
        return bool(messages)

    try:
        await eventually(opened)
        yield messages
    finally:
        stream.cancel()
        await asyncio.gather(task, return_exceptions=True)


def changes(messages: list[pb.WatchExecutionControlsResponse]) -> list[tuple[str, int]]:
    return [(one.change.target, one.change.state) for one in messages if one.WhichOneof("message") == "change"]


async def test_a_watch_sees_the_changes_that_any_replica_makes(control: Control, start: Start) -> None:
    await control.register()
    other = await start()
    before = (await control.caller().Pause(pause_request("a", target="before", wait=COMMITTED))).control
    async with watching(other.caller(role="member")) as caller, watching(other.peer("gate")) as gate:
        assert [one.control_id for one in caller[0].snapshot.controls] == [before.control_id]
        made = (await control.caller().Pause(pause_request("b"), timeout=10)).control
        await control.caller(organization_id="foreign").Pause(pause_request("c", target="foreign", wait=COMMITTED))
        await control.caller().Resume(resume_request(made))

        async def all_seen() -> bool:
            return ("welcome", pb.CONTROL_STATE_RESUMED) in changes(caller) and any(
                target == "foreign" for target, _ in changes(gate)
            )

        await eventually(all_seen)

    seen = [state for target, state in changes(caller) if target == "welcome"]
    assert seen == [pb.CONTROL_STATE_PAUSING, pb.CONTROL_STATE_FENCED, pb.CONTROL_STATE_RESUMED]
    assert all(target != "foreign" for target, _ in changes(caller))


async def test_an_idle_stream_shows_that_it_lives(control: Control) -> None:
    async with watching(control.caller()) as messages:

        async def beaten() -> bool:
            return any(one.WhichOneof("message") == "heartbeat" for one in messages)

        await eventually(beaten)
        assert messages[-1].heartbeat.at.seconds > 0


async def test_everything_goes_on_after_postgresql_restarted(control: Control, databases: Databases) -> None:
    await control.caller().Pause(pause_request(wait=COMMITTED))
    await databases.server.restart(immediate=True)
    await eventually(lambda: _answers(control))

    assert await is_paused(control)

    async def fenced() -> bool:
        listed = await control.caller().ListExecutionControls(pb.ListExecutionControlsRequest())
        return [one.state for one in listed.controls] == [pb.CONTROL_STATE_FENCED]

    await eventually(fenced)
    async with watching(control.caller()) as messages:
        assert len(messages[0].snapshot.controls) == 1
