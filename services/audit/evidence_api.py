"""Answer EvidenceService's calls: who may see what, then the store. Signs nothing and knows no table."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import grpc
import structlog

from audit.domain.checkpoint import Refused
from audit.domain.merkle import Missing, consistency_parts, inclusion_path
from audit.infrastructure.postgres_evidence import PostgresEvidence, Reader, Signed
from audit.infrastructure.wire import stamp
from chassis.identity import Role, current_caller
from chassis.interceptors import note
from chassis.telemetry import meter
from kernel.errors import Failure, Kind, Violation, invalid, not_found
from whatlead.audit.v1 import evidence_pb2, evidence_pb2_grpc

DEFAULT_PAGE = 500
LARGEST_PAGE = 1_000

log = structlog.get_logger()
_alarms = meter.create_counter("whatlead.audit.evidence.refused", description="Times that nothing could be sealed.")
_sealed = meter.create_counter("whatlead.audit.evidence.sealed", description="Events that became leaves.")

Context = grpc.aio.ServicerContext[Any, Any]


class EvidenceApi(evidence_pb2_grpc.EvidenceServiceServicer):
    """EvidenceService."""

    def __init__(self, evidence: PostgresEvidence) -> None:
        self._evidence = evidence

    async def GetCheckpoint(  # noqa: N802
        self, request: evidence_pb2.GetCheckpointRequest, context: Context
    ) -> evidence_pb2.GetCheckpointResponse:
        """Return a signed root."""
        signed = await self._checkpoint(request.size or None)
        return evidence_pb2.GetCheckpointResponse(note=signed.note, size=signed.size, sign_time=stamp(signed.signed_at))

    async def GetInclusionProof(  # noqa: N802
        self, request: evidence_pb2.GetInclusionProofRequest, context: Context
    ) -> evidence_pb2.GetInclusionProofResponse:
        """Prove that an event that the caller may see is in the log."""
        event_id, reader = UUID(request.event_id), _reader()
        leaf = await self._evidence.find(event_id, reader)
        if leaf is None:
            if await self._evidence.waits(event_id, reader):
                raise Failure(
                    Kind.FAILED_PRECONDITION, "WRONG_STATE", "the event is not sealed yet: ask again in a second"
                )
            raise not_found("event")
        signed = await self._checkpoint(None)
        note(position=leaf.position, size=signed.size)
        return evidence_pb2.GetInclusionProofResponse(
            position=leaf.position,
            leaf_hash=leaf.hash,
            body=leaf.body,
            hashes=await self._roots(inclusion_path(leaf.position, signed.size)),
            note=signed.note,
            misfiled=leaf.misfiled,
        )

    async def GetConsistencyProof(  # noqa: N802
        self, request: evidence_pb2.GetConsistencyProofRequest, context: Context
    ) -> evidence_pb2.GetConsistencyProofResponse:
        """Prove that one log begins with another."""
        newest = await self._checkpoint(None)
        if request.to_size > newest.size:
            raise invalid(Violation(field="to_size", description=f"must be at most {newest.size}, the newest size"))
        if request.from_size > request.to_size:
            raise invalid(Violation(field="from_size", description="must not be larger than to_size"))
        parts = consistency_parts(request.from_size, request.to_size)
        proof = parts[1:] if parts[0][0] == 0 else parts
        return evidence_pb2.GetConsistencyProofResponse(hashes=await self._roots(proof))

    async def ListLeaves(  # noqa: N802
        self, request: evidence_pb2.ListLeavesRequest, context: Context
    ) -> evidence_pb2.ListLeavesResponse:
        """List leaves in order."""
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        page = await self._evidence.page(start=request.start, end=request.start + size, reader=_reader())
        return evidence_pb2.ListLeavesResponse(
            leaves=[
                evidence_pb2.Leaf(
                    position=leaf.position,
                    hash=leaf.hash,
                    event_id="" if leaf.event_id is None else str(leaf.event_id),
                    body=leaf.body,
                    misfiled=leaf.misfiled,
                )
                for leaf in page.leaves
            ],
            notes=page.notes,
            strays=[
                evidence_pb2.Stray(event_id=str(event_id), position=position) for event_id, position in page.strays
            ],
        )

    async def _roots(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        try:
            return await self._evidence.roots(ranges)
        except Missing as missing:
            raise Failure(
                Kind.FAILED_PRECONDITION, "WRONG_STATE", f"the log is damaged, {missing} is gone: run `whatlead verify`"
            ) from missing

    async def _checkpoint(self, size: int | None) -> Signed:
        signed = await self._evidence.checkpoint(size)
        if signed is None:
            raise not_found("checkpoint")
        return signed


def count(leaves: int) -> None:
    """Show how many more events are sealed; those recorded and not sealed wait."""
    _sealed.add(leaves)


def alarm(refused: Refused) -> None:
    """Say aloud that nothing is signed any more. Events are stored all the same."""
    _alarms.add(1)
    log.error("evidence.refused", problem=str(refused))


def _reader() -> Reader:
    caller = current_caller()
    return Reader(organization_id=caller.organization_id, everything=caller.role is Role.PLATFORM)
