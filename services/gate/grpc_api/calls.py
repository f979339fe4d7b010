"""What the modules of the API share: how calls name their change, and how lists are paged. Knows no single call."""

from typing import Any

import grpc
from google.protobuf.message import Message

from chassis import paging
from chassis.identity import current_caller
from gate.application.changes import Mutation
from gate.infrastructure.sealing import Vault

Context = grpc.aio.ServicerContext[Any, Any]
DEFAULT_PAGE = 50


def mutation_of(request: Any, vault: Vault) -> Mutation:
    """Return who asks for which change. The same request id with other content is told apart by a keyed hash."""
    caller = current_caller()
    return Mutation(
        organization_id=caller.organization_id,
        subject=caller.subject,
        method=request.DESCRIPTOR.name.removesuffix("Request"),
        request_id=request.request_id,
        content_hash=vault.hash_content(request.SerializeToString(deterministic=True)),
    )


def page_size(request: Any) -> int:
    """Return how many items a page has."""
    return request.page_size or DEFAULT_PAGE


def position(organization_id: str, request: Any) -> str:
    """Return where a page begins; empty at the start. Raises Failure INVALID_PAGE_TOKEN."""
    if not request.page_token:
        return ""
    return paging.decode(request.page_token, organization_id=organization_id, filter=_filter(request))


def next_token(organization_id: str, request: Any, last: str) -> str:
    """Return the token of the page after the one that ends with `last`."""
    return paging.encode(organization_id=organization_id, filter=_filter(request), position=last)


def _filter(request: Any) -> bytes:
    wanted: Message = type(request)()
    wanted.CopyFrom(request)
    wanted.ClearField("page_token")
    wanted.ClearField("page_size")
    return wanted.SerializeToString(deterministic=True)
