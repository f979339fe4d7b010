"""While audit is away the gate goes on up to a bound; beyond it submits are refused, and nothing is lost."""

from collections import Counter

import pytest
from tests.api.gate.conftest import MOST_WAITING, Gate

from kernel.errors import Failure, Kind
from whatlead.gate.v1 import gate_pb2
from whatlead.outbox.v1 import outbox_pb2, outbox_pb2_grpc

BATCH = 500


async def test_submits_go_on_until_the_bound_and_again_once_audit_is_back(gate: Gate) -> None:
    await gate.provision("inst-1")
    gate.audit.away = True
    accepted: list[gate_pb2.SubmitResult] = []

    async def until_refused() -> None:
        for _ in range(MOST_WAITING // BATCH + 1):
            accepted.extend(await gate.submit(*(gate.intent() for _ in range(BATCH))))

    with pytest.raises(Failure, match="events wait for audit") as caught:
        await until_refused()
    assert (caught.value.kind, caught.value.reason) == (Kind.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert caught.value.retry_after is not None
    assert len(accepted) >= MOST_WAITING - BATCH
    with pytest.raises(Failure, match="QUEUE_FULL"):
        await gate.submit_one()
    await gate.intents.EvaluateIntent(gate_pb2.EvaluateIntentRequest(intent=gate.intent()))

    gate.audit.away = False

    async def open_again() -> bool:
        try:
            return bool(await gate.submit_one())
        except Failure:
            return False

    await gate.until(open_again)
    ids = {result.submitted.intent_id for result in accepted}
    await gate.until(lambda: ids <= {event.aggregate_id for event in gate.audit.events})
    assert max(Counter(event.event_id for event in gate.audit.events).values()) == 1


async def test_the_backlog_is_shown_to_those_who_run_the_installation_only(gate: Gate) -> None:
    await gate.provision("inst-1")
    gate.audit.away = True
    await gate.submit_one()
    platform = gate.server.public_channel(role="platform", organization_id="")
    outbox = outbox_pb2_grpc.OutboxServiceStub(platform)
    found = (await outbox.GetBacklog(outbox_pb2.GetBacklogRequest())).backlogs
    [audit] = [backlog for backlog in found if backlog.receiver == "audit"]
    assert audit.waiting_items >= 1
    assert audit.HasField("oldest_age")
    with pytest.raises(Failure, match="ROLE_NOT_ALLOWED"):
        await outbox_pb2_grpc.OutboxServiceStub(gate.server.public_channel()).GetBacklog(outbox_pb2.GetBacklogRequest())


async def test_refused_items_are_paged_and_sent_again(gate: Gate) -> None:
    outbox = outbox_pb2_grpc.OutboxServiceStub(gate.server.public_channel(role="platform", organization_id=""))
    event = (await gate.submit_one()).intent_id
    await gate.until(lambda: [one for one in gate.audit.events if one.aggregate_id == event])
    gate.audit.refuse = 3
    for _ in range(3):
        await gate.submit_one()
    items: list[outbox_pb2.RefusedItem] = []

    async def all_listed() -> bool:
        items.clear()
        page_token = ""
        while True:
            request = outbox_pb2.ListRefusedItemsRequest(page_size=2, page_token=page_token)
            page = await outbox.ListRefusedItems(request)
            items.extend(page.items)
            page_token = page.next_page_token
            if not page_token:
                return len(items) == 3

    await gate.until(all_listed)
    assert {(item.receiver, item.reason) for item in items} == {("audit", "CONFLICTING_DUPLICATE")}
    again = outbox_pb2.ResendRefusedItemsRequest(refused_ids=[item.refused_id for item in items])
    assert (await outbox.ResendRefusedItems(again)).resent_items == 3
    await gate.until(lambda: {item.item_id for item in items} <= {one.event_id for one in gate.audit.events})
    assert (await outbox.ResendRefusedItems(again)).resent_items == 0
    with pytest.raises(Failure, match="INVALID_PAGE_TOKEN"):
        await outbox.ListRefusedItems(outbox_pb2.ListRefusedItemsRequest(page_token="x"))
