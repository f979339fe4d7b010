"""OutboxService, the same in every service that has an outbox: show the backlog and what was refused; send it again."""

from datetime import UTC
from typing import Any

import grpc

from chassis import paging
from chassis.interceptors import note
from chassis.outbox import Outbox
from chassis.serving import Registration
from whatlead.outbox.v1 import outbox_pb2, outbox_pb2_grpc

_DEFAULT_PAGE = 50

Context = grpc.aio.ServicerContext[Any, Any]


def registration(outbox: Outbox) -> Registration:
    """Return OutboxService over `outbox`."""
    return Registration(
        descriptor=outbox_pb2.DESCRIPTOR.services_by_name["OutboxService"],
        servicer=OutboxApi(outbox),
        add=outbox_pb2_grpc.add_OutboxServiceServicer_to_server,
    )


class OutboxApi(outbox_pb2_grpc.OutboxServiceServicer):
    """OutboxService."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def GetBacklog(  # noqa: N802
        self, request: outbox_pb2.GetBacklogRequest, context: Context
    ) -> outbox_pb2.GetBacklogResponse:
        """Count what waits and what was refused."""
        waiting = {backlog.receiver: backlog for backlog in await self._outbox.backlog()}
        refused = await self._outbox.refused.count()
        response = outbox_pb2.GetBacklogResponse()
        for receiver in sorted(waiting.keys() | refused.keys()):
            one = response.backlogs.add(receiver=receiver, refused_items=refused[receiver])
            if (backlog := waiting.get(receiver)) is not None:
                one.waiting_items = backlog.items
                one.oldest_age.FromTimedelta(backlog.oldest)
        return response

    async def ListRefusedItems(  # noqa: N802
        self, request: outbox_pb2.ListRefusedItemsRequest, context: Context
    ) -> outbox_pb2.ListRefusedItemsResponse:
        """List a page of what was refused."""
        after = 0
        if request.page_token:
            after = int(paging.decode(request.page_token, organization_id="", filter=b"refused"))
        size = request.page_size or _DEFAULT_PAGE
        found = await self._outbox.refused.page(after=after, most=size + 1)
        response = outbox_pb2.ListRefusedItemsResponse()
        for item in found[:size]:
            one = response.items.add(
                refused_id=item.refused_id,
                receiver=item.receiver,
                item_id=item.item_id,
                reason=item.reason,
                message=item.message,
                content_bytes=item.content_bytes,
            )
            one.refuse_time.FromDatetime(item.refused_at.astimezone(UTC))
        if len(found) > size:
            last = str(found[size - 1].refused_id)
            response.next_page_token = paging.encode(organization_id="", filter=b"refused", position=last)
        return response

    async def ResendRefusedItems(  # noqa: N802
        self, request: outbox_pb2.ResendRefusedItemsRequest, context: Context
    ) -> outbox_pb2.ResendRefusedItemsResponse:
        """Send refused items again."""
        resent = await self._outbox.refused.resend(request.refused_ids)
        note(items=len(request.refused_ids), resent=resent)
        return outbox_pb2.ResendRefusedItemsResponse(resent_items=resent)
