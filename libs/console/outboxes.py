"""What an operator sees and mends of the ways between the services. Calls the API and shows its answers."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from console.output import show, table
from whatlead.outbox.v1 import outbox_pb2

if TYPE_CHECKING:
    from whatlead.outbox.v1.outbox_pb2_grpc import OutboxServiceAsyncStub

    Outboxes = Mapping[str, "OutboxServiceAsyncStub"]

SENDERS = ("gate", "executor", "control")
_CALL_SECONDS = 60.0
_PAGE = 1_000


async def read_backlogs(outboxes: "Outboxes") -> dict[str, Sequence[outbox_pb2.Backlog]]:
    """Return each service's backlogs."""
    return {
        service: (await stub.GetBacklog(outbox_pb2.GetBacklogRequest(), timeout=_CALL_SECONDS)).backlogs
        for service, stub in outboxes.items()
    }


async def backlogs(outboxes: "Outboxes", *, as_json: bool) -> None:
    """Show what waits, by service and receiver."""
    found = await read_backlogs(outboxes)
    rows = [
        (
            service,
            one.receiver,
            one.waiting_items,
            f"{one.oldest_age.ToTimedelta().total_seconds():.0f} s",
            one.refused_items,
        )
        for service, ones in found.items()
        for one in ones
    ]
    answer: dict[str, object] = {service: [_plain(one) for one in ones] for service, ones in found.items()}
    columns = ("from", "to", "waiting", "oldest", "refused")
    show(answer, table("what the services still have to tell each other", columns, rows), as_is=as_json)


async def list_refused(stub: "OutboxServiceAsyncStub") -> AsyncIterator[outbox_pb2.RefusedItem]:
    """Yield a service's refused items, oldest first."""
    page_token = ""
    while True:
        request = outbox_pb2.ListRefusedItemsRequest(page_size=_PAGE, page_token=page_token)
        page = await stub.ListRefusedItems(request, timeout=_CALL_SECONDS)
        for item in page.items:
            yield item
        page_token = page.next_page_token
        if not page_token:
            return


async def refused(outboxes: "Outboxes", *, as_json: bool) -> None:
    """Show what was refused, with its reason and never its content."""
    found = {service: [item async for item in list_refused(stub)] for service, stub in outboxes.items()}
    rows = [
        (service, item.refused_id, item.receiver, item.item_id, item.reason, item.message, _local(item))
        for service, items in found.items()
        for item in items
    ]
    answer: dict[str, object] = {service: [_plain(item) for item in items] for service, items in found.items()}
    columns = ("from", "id", "to", "item", "reason", "message", "when")
    show(answer, table(f"{len(rows)} refused; `whatlead resend SERVICE ID...`", columns, rows), as_is=as_json)


async def resend(stub: "OutboxServiceAsyncStub", refused_ids: Sequence[int]) -> None:
    """Send refused items again and say how many were there."""
    request = outbox_pb2.ResendRefusedItemsRequest(refused_ids=refused_ids)
    answer = await stub.ResendRefusedItems(request, timeout=_CALL_SECONDS)
    print(f"{answer.resent_items} of {len(refused_ids)} are on their way again")


def _local(item: outbox_pb2.RefusedItem) -> str:
    return f"{item.refuse_time.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _plain(message: outbox_pb2.Backlog | outbox_pb2.RefusedItem) -> dict[str, object]:
    return MessageToDict(message, preserving_proto_field_name=True)
