"""The mission in three tests: the numbers, the kill switch, the timeline."""

from collections import Counter
from pathlib import Path

from tests.system.scenario import eventually, leads, organization, running

from console.accounting import list_events
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2, metrics_pb2, timeline_pb2
from whatlead.control.v1 import control_pb2

SENT = event_pb2.EVENT_TYPE_MESSAGE_SENT


async def test_aggregated_metrics_equal_a_recount_of_raw_events_by_window(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        await acme.submit([*leads(60, instance="inst-sp-1"), *leads(30, instance="inst-ne-1", start=60)])
        await acme.sent_reaches(90)
        for window in (1, 5, 60):
            whole = await acme.stubs.metrics.GetOrganizationMetrics(
                metrics_pb2.GetOrganizationMetricsRequest(window_minutes=window), timeout=30
            )
            start, end = whole.window.start_time.ToNanoseconds(), whole.window.end_time.ToNanoseconds()
            events = [
                event
                for event in await list_events(acme.stubs, [SENT])
                if start <= event.occurred_at.ToNanoseconds() < end
            ]
            assert whole.volume.sent.total == len(events)
            by_instance = Counter(event.instance_id for event in events)
            assert {one.instance_id: one.sent for one in whole.instances if one.sent} == by_instance
            minutes = (end - start) / 60e9
            assert abs(whole.volume.sent.per_hour - len(events) * 60 / minutes) < 0.01
            one = await acme.stubs.metrics.GetInstanceMetrics(
                metrics_pb2.GetInstanceMetricsRequest(instance_id="inst-sp-1", window_minutes=window), timeout=30
            )
            assert one.volume.sent.total == by_instance["inst-sp-1"]


async def test_the_kill_switch_blocks_the_gate_and_stops_the_executor(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        before = await acme.submit(leads(300, instance="inst-sp-1"))
        await acme.sent_reaches(50)
        request = control_pb2.PauseRequest(
            request_id=str(uuid7()), scope=control_pb2.SCOPE_CAMPAIGN, target="campaign-1", reason="stop"
        )
        control = (await acme.stubs.control.Pause(request, timeout=30)).control
        assert control.state == control_pb2.CONTROL_STATE_FENCED
        blocked = await acme.submit(leads(5, start=1000))
        assert {(one.outcome, one.reason) for one in blocked} == {("BLOCKED", "OPS_PAUSED")}
        held = await acme.submit(leads(5, start=2000), hold_if_paused=True)
        assert {(one.outcome, one.reason) for one in held} == {("QUEUED", "OPS_PAUSED")}
        other = await acme.submit(leads(5, campaign="campaign-2", start=3000))
        assert {one.outcome for one in other} == {"APPROVED"}
        sent = (await acme.volume()).sent.total
        assert sent < 300
        await eventually(acme.volume, lambda volume: volume.held.total > 0)
        await acme.stubs.control.Resume(
            control_pb2.ResumeRequest(
                request_id="go",
                control_ids=[control.control_id],
                etag=control.etag,
                reason="go on",
                immediate=control_pb2.Immediate(),
            ),
            timeout=30,
        )
        await acme.sent_reaches(len(before) + len(held) + len(other))


async def test_the_timeline_returns_the_expected_events(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        request = control_pb2.PauseRequest(
            request_id=str(uuid7()), scope=control_pb2.SCOPE_CAMPAIGN, target="campaign-1", reason="wrong price"
        )
        control = (await acme.stubs.control.Pause(request, timeout=30)).control
        (held,) = await acme.submit(leads(1), hold_if_paused=True)
        await acme.stubs.control.Resume(
            control_pb2.ResumeRequest(
                request_id="go", control_ids=[control.control_id], etag=control.etag, reason="price corrected"
            ),
            timeout=30,
        )

        async def life() -> timeline_pb2.GetMessageIntentTimelineResponse:
            await acme.has_arrived(held.intent_id)
            return await acme.stubs.timelines.GetMessageIntentTimeline(
                timeline_pb2.GetMessageIntentTimelineRequest(intent_id=held.intent_id), timeout=30
            )

        def types(answer: timeline_pb2.GetMessageIntentTimelineResponse, *, context: bool) -> list[str]:
            return [
                event_pb2.EventType.Name(entry.event.type).removeprefix("EVENT_TYPE_")
                for entry in answer.entries
                if entry.context is context
            ]

        whole = await eventually(life, lambda answer: "MESSAGE_READ" in types(answer, context=False))
        assert types(whole, context=False) == [
            "MESSAGE_QUEUED",
            "MESSAGE_APPROVED",
            "MESSAGE_SEND_STARTED",
            "MESSAGE_SENT",
            "MESSAGE_DELIVERED",
            "MESSAGE_READ",
        ]
        assert "EXECUTION_RESUMED" in types(whole, context=True)
        queued = whole.entries[types(whole, context=False).index("MESSAGE_QUEUED")]
        assert "OPS_PAUSED" in {entry.event.reason for entry in whole.entries} | {queued.event.reason}
        assert whole.standing == timeline_pb2.STANDING_SENT
        assert whole.answer.startswith("Sent")
        traces = {entry.event.trace_id for entry in whole.entries if not entry.context}
        assert len(traces) == 1, "one trace from submit to webhook"
        assert len(traces.pop()) == 32
