"""SubjectService: forget a person, or tell all that is held about one. A number goes no further than its hash."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from chassis.identity import current_caller
from chassis.interceptors import note
from gate.application.changes import Encode, Mutation
from gate.application.erasure import Erased
from gate.application.messages import Message
from gate.application.subjects import SubjectRequest
from gate.domain.recipient import canonical_form, names_number
from gate.grpc_api.calls import Context, mutation_of, next_token, page_size, position
from gate.grpc_api.translation import view_to_proto
from gate.infrastructure.exporting import Person, SubjectReads
from gate.infrastructure.reading import LAST_INTENT, Suppression
from gate.infrastructure.sealing import Vault
from gate.infrastructure.wire import stamp
from kernel.errors import Violation, invalid
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import policy_pb2, subject_pb2, subject_pb2_grpc


class Erase(Protocol):
    """Forgets a person."""

    def __call__(
        self, mutation: Mutation, number_hash: bytes, reason: str, *, encode: Encode[Erased]
    ) -> Awaitable[bytes]: ...


ExportJobs = Callable[[str, Sequence[UUID]], Awaitable[Mapping[str, subject_pb2.ExportedJob]]]


class SubjectApi(subject_pb2_grpc.SubjectServiceServicer):
    """Answers SubjectService."""

    def __init__(
        self,
        *,
        erase: Erase,
        settle: Callable[[str], Awaitable[bool]],
        pending: Callable[[str], Awaitable[int]],
        tell_export: Callable[[SubjectRequest], Awaitable[None]],
        export_jobs: ExportJobs,
        reads: SubjectReads,
        vault: Vault,
    ) -> None:
        self._erase = erase
        self._settle = settle
        self._pending = pending
        self._tell_export = tell_export
        self._export_jobs = export_jobs
        self._reads = reads
        self._vault = vault

    async def EraseSubject(  # noqa: N802
        self, request: subject_pb2.EraseSubjectRequest, context: Context
    ) -> subject_pb2.EraseSubjectResponse:
        def encode(erased: Erased) -> bytes:
            return subject_pb2.EraseSubjectResponse(
                recipient_id=str(erased.recipient_id or ""), intents=erased.intents, canceled=erased.canceled
            ).SerializeToString()

        organization_id = current_caller().organization_id
        if request.recipient_id:
            number_hash = await self._reads.number_hash(organization_id, UUID(request.recipient_id))
        else:
            number_hash = self._hash(request.recipient, request.reason)
        answer = await self._erase(mutation_of(request, self._vault), number_hash, request.reason, encode=encode)
        await self._settle(organization_id)
        response = subject_pb2.EraseSubjectResponse.FromString(answer)
        response.pending = await self._pending(organization_id)
        note(items=response.intents, canceled=response.canceled, pending=response.pending)
        return response

    async def ExportSubject(  # noqa: N802
        self, request: subject_pb2.ExportSubjectRequest, context: Context
    ) -> subject_pb2.ExportSubjectResponse:
        caller = current_caller()
        number_hash = self._hash(request.recipient, request.reason)
        before = self._position(caller.organization_id, number_hash, request)
        most = page_size(request)
        person = await self._reads.person(caller.organization_id, number_hash, before=before, most=most + 1)
        if person is None:
            return subject_pb2.ExportSubjectResponse()
        page = [view.message for view in person.intents[:most]]
        jobs = await self._export_jobs(caller.organization_id, [message.intent_id for message in page])
        await self._tell_export(
            SubjectRequest(
                organization_id=caller.organization_id,
                recipient_id=person.recipient_id,
                erased=False,
                actor=caller.subject,
                reason=request.reason,
                intents=len(page),
            )
        )
        token = ""
        if len(person.intents) > most:
            token = next_token(caller.organization_id, _without_number(request, number_hash), str(page[-1].intent_id))
        note(items=len(page))
        return self._response(person, most, jobs, token)

    def _response(
        self, person: Person, most: int, jobs: Mapping[str, subject_pb2.ExportedJob], token: str
    ) -> subject_pb2.ExportSubjectResponse:
        return subject_pb2.ExportSubjectResponse(
            recipient_id=str(person.recipient_id),
            suppression=_suppression(person.suppression) if person.suppression is not None else None,
            lifted=[
                subject_pb2.LiftedSuppression(
                    suppression=_suppression(lifted.suppression),
                    lifted_by=lifted.lifted_by,
                    lifted_at=stamp(lifted.lifted_at),
                    reason=lifted.reason,
                )
                for lifted in person.lifted
            ],
            intents=[
                subject_pb2.ExportedIntent(
                    intent=view_to_proto(view, with_rules=True),
                    content=self._content(view.message),
                    job=jobs.get(str(view.message.intent_id)),
                )
                for view in person.intents[:most]
            ],
            next_page_token=token,
        )

    def _content(self, message: Message) -> subject_pb2.MessageContent | None:
        if message.forgotten:
            return None
        held = executor_pb2.ApprovedIntent.FromString(self._vault.unseal(message.organization_id, message.sealed))
        content = subject_pb2.MessageContent(recipient=held.recipient)
        match held.WhichOneof("content"):
            case "template":
                content.template.CopyFrom(held.template)
            case "text":
                content.text.CopyFrom(held.text)
            case _:
                content.media.CopyFrom(held.media)
        return content

    def _hash(self, number: str, reason: str) -> bytes:
        form = canonical_form(number)
        if form is None:
            raise invalid(Violation(field="recipient", description="must be a number in E.164"))
        if names_number(reason, form):
            raise invalid(
                Violation(field="reason", description="must not hold the number: it stays in the event log for good")
            )
        return self._vault.hash_number(current_caller().organization_id, form)

    def _position(self, organization_id: str, number_hash: bytes, request: subject_pb2.ExportSubjectRequest) -> UUID:
        last = position(organization_id, _without_number(request, number_hash))
        return UUID(last) if last else LAST_INTENT


def _without_number(request: subject_pb2.ExportSubjectRequest, number_hash: bytes) -> subject_pb2.ExportSubjectRequest:
    """Return the request as page tokens are bound to it: whoever it is for, however the number was written."""
    return subject_pb2.ExportSubjectRequest(recipient=number_hash.hex(), page_token=request.page_token)


def _suppression(suppression: Suppression) -> policy_pb2.Suppression:
    return policy_pb2.Suppression(
        recipient_id=str(suppression.recipient_id),
        reason=suppression.reason,
        created_by=suppression.created_by,
        create_time=stamp(suppression.created_at),
    )
