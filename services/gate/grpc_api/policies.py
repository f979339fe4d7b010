"""PolicyService: policies in force, and who is never to be written to."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from chassis.identity import current_caller
from chassis.interceptors import note
from gate.application.changes import Encode, Mutation, StoredPolicy
from gate.application.policies import etag_of
from gate.application.suppressions import Suppressed
from gate.domain.policy import Policy
from gate.domain.recipient import canonical_form
from gate.grpc_api.calls import Context, mutation_of, next_token, page_size, position
from gate.grpc_api.policy_translation import policy_from_proto, policy_to_proto
from gate.infrastructure.reading import LAST_INTENT, ConfigurationReads
from gate.infrastructure.sealing import Vault
from gate.infrastructure.wire import stamp
from kernel.errors import Violation, invalid
from whatlead.gate.v1 import policy_pb2, policy_pb2_grpc

_NEWEST = datetime(9999, 1, 1, tzinfo=UTC)


class UpdatePolicy(Protocol):
    """Puts a policy in force."""

    def __call__(
        self,
        mutation: Mutation,
        policy: Policy,
        etag: str,
        *,
        validate_only: bool,
        encode: Encode[StoredPolicy],
    ) -> Awaitable[bytes]: ...


class AddSuppressions(Protocol):
    """Suppresses numbers."""

    def __call__(
        self, mutation: Mutation, number_hashes: Sequence[bytes], reason: str, *, encode: Encode[Suppressed]
    ) -> Awaitable[bytes]: ...


class RemoveSuppressions(Protocol):
    """Allows numbers again."""

    def __call__(
        self, mutation: Mutation, number_hashes: Sequence[bytes], reason: str, *, encode: Encode[int]
    ) -> Awaitable[bytes]: ...


class PolicyApi(policy_pb2_grpc.PolicyServiceServicer):
    """Answers PolicyService."""

    def __init__(
        self,
        *,
        update: UpdatePolicy,
        suppress: AddSuppressions,
        allow: RemoveSuppressions,
        reads: ConfigurationReads,
        vault: Vault,
    ) -> None:
        self._update = update
        self._suppress = suppress
        self._allow = allow
        self._reads = reads
        self._vault = vault

    async def GetPolicy(  # noqa: N802
        self, request: policy_pb2.GetPolicyRequest, context: Context
    ) -> policy_pb2.GetPolicyResponse:
        stored = await self._reads.policy(current_caller().organization_id)
        return policy_pb2.GetPolicyResponse(
            policy=policy_to_proto(stored.policy),
            version=stored.version,
            etag=etag_of(stored),
            create_time=stamp(stored.created_at),
            created_by=stored.created_by,
        )

    async def UpdatePolicy(  # noqa: N802
        self, request: policy_pb2.UpdatePolicyRequest, context: Context
    ) -> policy_pb2.UpdatePolicyResponse:
        def encode(stored: StoredPolicy) -> bytes:
            return policy_pb2.UpdatePolicyResponse(
                policy=policy_to_proto(stored.policy), version=stored.version, etag=etag_of(stored)
            ).SerializeToString()

        answer = await self._update(
            mutation_of(request, self._vault),
            policy_from_proto(request.policy),
            request.etag,
            validate_only=request.validate_only,
            encode=encode,
        )
        return policy_pb2.UpdatePolicyResponse.FromString(answer)

    async def AddSuppressions(  # noqa: N802
        self, request: policy_pb2.AddSuppressionsRequest, context: Context
    ) -> policy_pb2.AddSuppressionsResponse:
        def encode(suppressed: Suppressed) -> bytes:
            return policy_pb2.AddSuppressionsResponse(
                added=suppressed.added, canceled=suppressed.canceled
            ).SerializeToString()

        answer = await self._suppress(
            mutation_of(request, self._vault), self._hashes(request.recipients), request.reason, encode=encode
        )
        response = policy_pb2.AddSuppressionsResponse.FromString(answer)
        note(items=len(request.recipients), added=response.added, canceled=response.canceled)
        return response

    async def RemoveSuppressions(  # noqa: N802
        self, request: policy_pb2.RemoveSuppressionsRequest, context: Context
    ) -> policy_pb2.RemoveSuppressionsResponse:
        def encode(removed: int) -> bytes:
            return policy_pb2.RemoveSuppressionsResponse(removed=removed).SerializeToString()

        answer = await self._allow(
            mutation_of(request, self._vault), self._hashes(request.recipients), request.reason, encode=encode
        )
        return policy_pb2.RemoveSuppressionsResponse.FromString(answer)

    async def ListSuppressions(  # noqa: N802
        self, request: policy_pb2.ListSuppressionsRequest, context: Context
    ) -> policy_pb2.ListSuppressionsResponse:
        organization_id = current_caller().organization_id
        most = page_size(request)
        before = (_NEWEST, LAST_INTENT)
        if last := position(organization_id, request):
            at, _, recipient_id = last.partition("/")
            before = (datetime.fromisoformat(at), UUID(recipient_id))
        found = await self._reads.suppressions(organization_id, before=before, most=most + 1)
        token = ""
        if len(found) > most:
            end = found[most - 1]
            token = next_token(organization_id, request, f"{end.created_at.isoformat()}/{end.recipient_id}")
        return policy_pb2.ListSuppressionsResponse(
            suppressions=[
                policy_pb2.Suppression(
                    recipient_id=str(one.recipient_id),
                    reason=one.reason,
                    created_by=one.created_by,
                    create_time=stamp(one.created_at),
                )
                for one in found[:most]
            ],
            next_page_token=token,
        )

    def _hashes(self, numbers: Sequence[str]) -> list[bytes]:
        organization_id = current_caller().organization_id
        forms = [canonical_form(number) for number in numbers]
        bad = [place for place, form in enumerate(forms) if form is None]
        if bad:
            raise invalid(
                *(Violation(field=f"recipients[{place}]", description="must be a number in E.164") for place in bad)
            )
        return [self._vault.hash_number(organization_id, form) for form in forms if form is not None]
