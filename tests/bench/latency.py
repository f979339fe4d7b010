"""Measure the time from a submit to the beginning of the provider call, at a steady rate, on one host's clock.

The executor writes down when the request began to leave; its MessageSent event carries that.
"""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Literal

from tests.bench.governed import all_sent, intents, new_campaign, processes
from tests.bench.loads import Loads
from tests.bench.processor_time import used_per_message
from tests.bench.report import OURS
from tests.bench.samples import Measure, Sample, percentile
from tests.bench.traffic import at_rate

from console.connection import Clients
from console.system import System
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import gate_pb2, intent_pb2

_PAGE = 1000


async def measure(system: System, stubs: Clients, loads: Loads) -> AsyncIterator[Sample]:
    """Yield the percentiles of one run."""
    counted = processes(system)
    before = counted.seconds()
    campaign, messages = new_campaign(), loads.steady_rate * loads.steady_seconds
    submitted = await submit_steadily(stubs, campaign, messages, per_second=loads.steady_rate)
    await all_sent(stubs, campaign, messages)
    used = used_per_message(before, counted.seconds(), messages)
    yield Sample(contestant=OURS, measure=Measure.STEADY_PROCESSOR, value=sum(used.values()) / 1000, parts=used)
    latencies = await milliseconds(stubs, campaign, submitted, until="began_at")
    yield Sample(contestant=OURS, measure=Measure.LATENCY_P50, value=percentile(latencies, 0.50))
    yield Sample(contestant=OURS, measure=Measure.LATENCY_P99, value=percentile(latencies, 0.99))


async def submit_steadily(stubs: Clients, campaign: str, messages: int, *, per_second: float) -> dict[str, float]:
    """Submit one by one at a fixed rate, and return when each was, in epoch seconds, by intent id."""
    submitted: dict[str, float] = {}

    async def submit(intent: intent_pb2.NewIntent) -> None:
        at = time.time()
        response = await stubs.gate.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=intent), timeout=60)
        submitted[response.submitted.intent_id] = at

    await at_rate(intents(campaign, messages), submit, per_second=per_second)
    return submitted


async def milliseconds(
    stubs: Clients, campaign: str, submitted: Mapping[str, float], *, until: Literal["approved_at", "began_at"]
) -> list[float]:
    """Return how long each of a campaign's messages took from its submit to the approval or the provider call."""
    attempts = await _attempts(stubs, campaign)
    moments = {intent_id: getattr(attempt, until) for intent_id, attempt in attempts.items()}
    return [
        (moments[intent_id].seconds + moments[intent_id].nanos / 1e9 - at) * 1000 for intent_id, at in submitted.items()
    ]


async def _attempts(stubs: Clients, campaign: str) -> dict[str, event_pb2.AttemptDetail]:
    """Return what is told of each message's send, by intent id."""
    found: dict[str, event_pb2.AttemptDetail] = {}
    token = ""
    while True:
        request = event_pb2.ListEventsRequest(
            types=[event_pb2.EVENT_TYPE_MESSAGE_SENT], campaign_id=campaign, page_size=_PAGE, page_token=token
        )
        page = await stubs.events.ListEvents(request, timeout=30)
        found.update((stored.event.aggregate_id, stored.event.attempt) for stored in page.events)
        token = page.next_page_token
        if not token:
            return found
