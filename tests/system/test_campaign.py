"""One campaign through all processes: every row accounted for, a fence that holds, timelines and numbers that agree."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.system.scenario import Scenario, eventually, leads, organization, running

from console.accounting import Account, check_fence, list_events, take_account
from console.submission import RowResult
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2, metrics_pb2, timeline_pb2
from whatlead.control.v1 import control_pb2

MESSAGE_TYPES = tuple(value for name, value in event_pb2.EventType.items() if name.startswith("EVENT_TYPE_MESSAGE"))


async def settled(scenario: Scenario, results: list[RowResult]) -> Account:
    async def account() -> Account:
        return await take_account(scenario.stubs, results, scenario.system.simulator_url)

    def done(account: Account) -> bool:
        return account.settled and account.accepted_unknown == 0 and not account.problems()

    return await eventually(account, done, seconds=90)


async def pause(scenario: Scenario) -> control_pb2.ExecutionControl:
    request = control_pb2.PauseRequest(
        request_id=str(uuid7()), scope=control_pb2.SCOPE_ORGANIZATION, reason="a test stops it"
    )
    return (await scenario.stubs.control.Pause(request, timeout=30)).control


async def resume(scenario: Scenario, control: control_pb2.ExecutionControl) -> datetime:
    asked = datetime.now(UTC)
    request = control_pb2.ResumeRequest(
        request_id=str(uuid7()),
        control_ids=[control.control_id],
        etag=control.etag,
        reason="a test goes on",
        immediate=control_pb2.Immediate(),
    )
    await scenario.stubs.control.Resume(request, timeout=30)
    return asked


async def counted(scenario: Scenario) -> Counter[int]:
    return Counter(event.type for event in await list_events(scenario.stubs, MESSAGE_TYPES))


async def test_a_campaign_is_paused_half_way_and_accounted_for_to_the_last_row(tmp_path: Path) -> None:
    async with running(tmp_path, executors=2, profile="mild") as system, organization(system, "acme") as scenario:
        results = await scenario.submit(leads(1500))
        await scenario.sent_reaches(500)
        fenced = await pause(scenario)
        assert fenced.state == control_pb2.CONTROL_STATE_FENCED
        at_fence = await scenario.volume()
        await asyncio.sleep(1.5)  # the fence is watched while it stands
        resumed_at = await resume(scenario, fenced)
        account = await settled(scenario, results)
        fence = await check_fence(
            scenario.stubs,
            system.simulator_url,
            fenced_at=fenced.fenced_at.ToDatetime(UTC),
            resumed_at=resumed_at,
        )
        assert (fence.begun_inside, fence.arrived_inside) == (0, 0)
        assert at_fence.sent.total < account.sent, "the pause came too late to show anything"
        assert fence.observed >= account.sent - account.jobs["UNKNOWN"] - 10

        await eventually(lambda: counted(scenario), lambda counts: counts[event_pb2.EVENT_TYPE_MESSAGE_SENT] > 0)
        await numbers_agree_with_events(scenario)
        await every_send_was_decided_and_checked(
            scenario, paused=fenced.create_time.ToDatetime(UTC), resumed=resumed_at
        )
        await timelines_are_whole(scenario, results)


async def numbers_agree_with_events(scenario: Scenario) -> None:
    """The rollups count what a recount of the raw events counts."""

    async def both() -> tuple[dict[str, int], dict[str, int]]:
        request = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60)
        metrics = await scenario.stubs.metrics.GetOrganizationMetrics(request, timeout=30)
        counts = await counted(scenario)
        volume = {field.name: getattr(metrics.volume, field.name).total for field in metrics.volume.DESCRIPTOR.fields}
        types = {"retried": "RETRY_SCHEDULED", "unknown": "OUTCOME_UNKNOWN"}
        recount = {
            name: counts[event_pb2.EventType.Value(f"EVENT_TYPE_MESSAGE_{types.get(name, name.upper())}")]
            for name in volume
        }
        return volume, recount

    await eventually(both, lambda pair: pair[0] == pair[1], seconds=20)


async def every_send_was_decided_and_checked(scenario: Scenario, *, paused: datetime, resumed: datetime) -> None:
    """No intent is sent without an approval, and each send carries the control version that its own check was given."""
    approvals = await list_events(scenario.stubs, [event_pb2.EVENT_TYPE_MESSAGE_APPROVED])
    sent = await list_events(scenario.stubs, [event_pb2.EVENT_TYPE_MESSAGE_SENT])
    assert {event.aggregate_id for event in sent} <= {event.aggregate_id for event in approvals}
    began = [
        (event.attempt.began_at.ToDatetime(UTC), event.attempt.control_version)
        for event in sent
        if event.attempt.HasField("began_at")
    ]
    before = {version for at, version in began if at < paused}
    after = {version for at, version in began if at >= resumed}
    assert before
    assert after
    assert max(before) < min(after), "a send went on with a permit from before the pause"


async def timelines_are_whole(scenario: Scenario, results: list[RowResult]) -> None:
    """A timeline has no gaps, and begins with a decision."""
    for result in results[:: len(results) // 20]:
        request = timeline_pb2.GetMessageIntentTimelineRequest(intent_id=result.intent_id)

        async def life(
            request: timeline_pb2.GetMessageIntentTimelineRequest = request,
        ) -> timeline_pb2.GetMessageIntentTimelineResponse:
            return await scenario.stubs.timelines.GetMessageIntentTimeline(request, timeout=30)

        whole = await eventually(life, lambda answer: bool(answer.entries) and not answer.pending_sequences)
        own = [entry.event for entry in whole.entries if not entry.context]
        assert [event.sequence for event in own] == list(range(1, len(own) + 1))
        assert own[0].type in {
            event_pb2.EVENT_TYPE_MESSAGE_APPROVED,
            event_pb2.EVENT_TYPE_MESSAGE_QUEUED,
            event_pb2.EVENT_TYPE_MESSAGE_BLOCKED,
        }
        assert whole.answer
