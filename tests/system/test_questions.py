"""The questions an operator asks of a running system, and the answers held against what really happened."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.system.scenario import Scenario, eventually, leads, organization, running

from console.accounting import list_events
from whatlead.audit.v1 import event_pb2, timeline_pb2
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import gate_pb2

ENDS = [
    event_pb2.EVENT_TYPE_MESSAGE_SENT,
    event_pb2.EVENT_TYPE_MESSAGE_FAILED,
    event_pb2.EVENT_TYPE_MESSAGE_RETRY_SCHEDULED,
    event_pb2.EVENT_TYPE_MESSAGE_OUTCOME_UNKNOWN,
]
OVER = [*ENDS, event_pb2.EVENT_TYPE_MESSAGE_SEND_ABORTED]


async def pause(acme: Scenario) -> control_pb2.ExecutionControl:
    request = control_pb2.PauseRequest(
        request_id="stop", scope=control_pb2.SCOPE_CAMPAIGN, target="campaign-1", reason="wrong price"
    )
    return (await acme.stubs.control.Pause(request, timeout=30)).control


async def why(acme: Scenario, reference: str) -> timeline_pb2.GetMessageIntentTimelineResponse:
    """Ask as with grpcurl: the intent by its reference, then its timeline."""
    found = await acme.stubs.gate.ListIntents(gate_pb2.ListIntentsRequest(reference=reference, page_size=1), timeout=30)
    await acme.has_arrived(found.intents[0].intent_id)
    request = timeline_pb2.GetMessageIntentTimelineRequest(intent_id=found.intents[0].intent_id)
    return await acme.stubs.timelines.GetMessageIntentTimeline(request, timeout=30)


async def test_three_questions_have_an_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        await acme.submit([*leads(200, instance="inst-sp-1"), *leads(20, campaign="other", instance="inst-ne-1")])
        await acme.sent_reaches(40)
        control = await pause(acme)
        await acme.submit(leads(1, start=5000))

        # Why did this lead not get the message?
        blocked = await why(acme, "campaign-1-05000")
        assert blocked.standing == timeline_pb2.STANDING_NOT_SENT
        assert blocked.answer == (
            "Not sent: the manual pause of campaign campaign-1 (“wrong price”, by owner-of-acme) held when it was "
            "submitted (OPS_PAUSED)"
        )
        waiting = await eventually(
            lambda: why(acme, "campaign-1-00199"), lambda life: life.standing == timeline_pb2.STANDING_WAITING
        )
        assert "“wrong price”, by owner-of-acme" in waiting.answer

        # Who paused the campaign, and when did sending really stop?
        async def stopped() -> timeline_pb2.GetPauseTimelineResponse:
            request = timeline_pb2.GetPauseTimelineRequest(campaign_id="campaign-1")
            return await acme.stubs.timelines.GetPauseTimeline(request, timeout=30)

        async def begun() -> tuple[int, dict[str, int]]:
            """Return how many sends of the campaign are under way, and when each that ended began."""
            found = await list_events(acme.stubs, [*OVER, event_pb2.EVENT_TYPE_MESSAGE_SEND_STARTED])
            mine = [one for one in found if one.campaign_id == "campaign-1"]
            attempts = {
                over: {(one.aggregate_id, one.attempt.number) for one in mine if (one.type in OVER) is over}
                for over in (True, False)
            }
            under_way = len(attempts[False] - attempts[True])
            return under_way, {one.event_id: one.attempt.began_at.ToNanoseconds() for one in mine if one.type in ENDS}

        _, ends = await eventually(begun, lambda found: found[0] == 0)
        stop = await eventually(stopped, lambda answer: len(answer.entries) == 2)
        assert stop.control_id == control.control_id
        assert stop.last_send.began_at.ToNanoseconds() == max(ends.values())
        assert ends[stop.last_send.outcome.event_id] == max(ends.values())
        fenced = control.fenced_at.ToNanoseconds()
        paused = control.create_time.ToNanoseconds()
        assert max(ends.values()) <= fenced
        assert stop.begun_before_fence == sum(began >= paused for began in ends.values())
        assert (stop.begun_after_fence, stop.unaccounted, stop.partial) == (0, 0, False)
        assert "by owner-of-acme" in stop.answer
        assert stop.answer.endswith("before the fence, and none after it; it still holds")

        # What did the instance do in the last hour?
        start = datetime.now(UTC) - timedelta(hours=1)
        request = event_pb2.ListEventsRequest(instance_id="inst-ne-1", page_size=7)
        request.start_time.FromDatetime(start)
        listed: list[str] = []
        while True:
            page = await acme.stubs.events.ListEvents(request, timeout=30)
            listed += [stored.event.event_id for stored in page.events]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        every = [one.event_id for one in await list_events(acme.stubs, []) if one.instance_id == "inst-ne-1"]
        assert listed
        assert listed == [one for one in every if one <= listed[0]]
