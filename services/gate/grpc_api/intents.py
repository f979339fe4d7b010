"""GateService: submit, evaluate, read, count and cancel intents; take back what the executor returns."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

from chassis.errors_grpc import to_status
from chassis.identity import current_caller
from chassis.interceptors import note
from chassis.telemetry import current_traceparent
from gate.application.cancel import Outcomes
from gate.application.changes import Encode, Mutation
from gate.application.messages import NewIntent, Recorded, Submission
from gate.application.overlay import overlaid
from gate.application.paused_scopes import PausedScopes
from gate.application.returns import Returned
from gate.application.submit import Result
from gate.grpc_api.calls import Context, mutation_of, next_token, page_size, position
from gate.grpc_api.intake import Intake
from gate.grpc_api.translation import (
    CANCEL_TO_PROTO,
    STATE_FROM_PROTO,
    answer,
    decision_to_proto,
    returned_from_proto,
    view_to_proto,
)
from gate.infrastructure.once import Once
from gate.infrastructure.reading import LAST_INTENT, IntentFilter, IntentReads
from kernel.errors import Failure, not_found
from whatlead.error.v1 import error_pb2
from whatlead.gate.v1 import gate_pb2, gate_pb2_grpc, intent_pb2


class Cancel(Protocol):
    """Cancels intents."""

    def __call__(
        self, mutation: Mutation, intent_ids: Sequence[UUID], *, validate_only: bool, encode: Encode[Outcomes]
    ) -> Awaitable[bytes]: ...


class GateApi(gate_pb2_grpc.GateServiceServicer):
    """Answers GateService."""

    def __init__(
        self,
        *,
        intake: Intake,
        admit: Callable[[], None],
        submit: Callable[[Submission], Awaitable[Sequence[Result]]],
        evaluate: Callable[[Submission], Awaitable[Recorded]],
        cancel: Cancel,
        take_back: Callable[[Sequence[Returned]], Awaitable[Sequence[Returned]]],
        reads: IntentReads,
        paused: PausedScopes,
    ) -> None:
        self._intake = intake
        self._admit = admit
        self._submit = submit
        self._evaluate = evaluate
        self._cancel = cancel
        self._take_back = take_back
        self._reads = reads
        self._paused = paused

    async def SubmitIntent(  # noqa: N802
        self, request: gate_pb2.SubmitIntentRequest, context: Context
    ) -> gate_pb2.SubmitIntentResponse:
        self._admit()
        result = (await self._submit(self._single(request.intent)))[0]
        if isinstance(result, Failure):
            raise result
        note(intent_id=str(result.intent_id), outcome=result.recorded.decision.outcome)
        response = gate_pb2.SubmitIntentResponse()
        answer(response.submitted, result, decision_to_proto(result.recorded, with_rules=False))
        return response

    async def SubmitIntents(  # noqa: N802
        self, request: gate_pb2.SubmitIntentsRequest, context: Context
    ) -> gate_pb2.SubmitIntentsResponse:
        self._admit()
        organization_id = current_caller().organization_id
        taken = [
            self._intake.take_of_many(organization_id, item, prefix=f"intents[{place}]")
            for place, item in enumerate(request.intents)
        ]
        valid = [item for item in taken if not isinstance(item, Failure)]
        decided = iter(await self._submit(_submission(valid)) if valid else ())
        results = [item if isinstance(item, Failure) else next(decided) for item in taken]
        note(items=len(results), refused=sum(isinstance(result, Failure) for result in results))
        return _answers(results)

    async def EvaluateIntent(  # noqa: N802
        self, request: gate_pb2.EvaluateIntentRequest, context: Context
    ) -> gate_pb2.EvaluateIntentResponse:
        recorded = await self._evaluate(self._single(request.intent))
        return gate_pb2.EvaluateIntentResponse(decision=decision_to_proto(recorded, with_rules=True))

    async def GetIntent(  # noqa: N802
        self, request: gate_pb2.GetIntentRequest, context: Context
    ) -> gate_pb2.GetIntentResponse:
        organization_id = current_caller().organization_id
        if request.WhichOneof("id") == "intent_id":
            view = await self._reads.one(organization_id, intent_id=UUID(request.intent_id))
        else:
            view = await self._reads.one(organization_id, request_id=request.request_id)
        return gate_pb2.GetIntentResponse(intent=view_to_proto(overlaid(view, self._paused), with_rules=True))

    async def ListIntents(  # noqa: N802
        self, request: gate_pb2.ListIntentsRequest, context: Context
    ) -> gate_pb2.ListIntentsResponse:
        organization_id = current_caller().organization_id
        before = position(organization_id, request)
        most = page_size(request)
        wanted = IntentFilter(
            campaign_id=request.campaign_id,
            instance_id=request.instance_id,
            state=STATE_FROM_PROTO.get(request.state, ""),
            reason=request.reason,
            reference=request.reference,
        )
        views = await self._reads.newest(
            organization_id, wanted, before=UUID(before) if before else LAST_INTENT, most=most + 1
        )
        page = views[:most]
        token = ""
        if len(views) > most:
            token = next_token(organization_id, request, str(page[-1].message.intent_id))
        return gate_pb2.ListIntentsResponse(
            intents=[view_to_proto(overlaid(view, self._paused), with_rules=False) for view in page],
            next_page_token=token,
        )

    async def CancelIntents(  # noqa: N802
        self, request: gate_pb2.CancelIntentsRequest, context: Context
    ) -> gate_pb2.CancelIntentsResponse:
        intent_ids = [UUID(intent_id) for intent_id in request.intent_ids]

        def encode(outcomes: Outcomes) -> bytes:
            results = [
                gate_pb2.CancelResult(intent_id=asked, outcome=CANCEL_TO_PROTO[outcomes[intent_id]])
                for asked, intent_id in zip(request.intent_ids, intent_ids, strict=True)
            ]
            return gate_pb2.CancelIntentsResponse(results=results).SerializeToString()

        answer = await self._cancel(
            mutation_of(request, self._intake.vault),
            intent_ids,
            validate_only=request.validate_only,
            encode=encode,
        )
        return gate_pb2.CancelIntentsResponse.FromString(answer)

    async def ReturnIntents(  # noqa: N802
        self, request: gate_pb2.ReturnIntentsRequest, context: Context
    ) -> gate_pb2.ReturnIntentsResponse:
        refusals: list[error_pb2.Refusal] = []
        returned: list[Returned] = []
        for place, item in enumerate(request.intents):
            parsed = returned_from_proto(item, f"intents[{place}]")
            if isinstance(parsed, Failure):
                refusals.append(error_pb2.Refusal(item_id=item.intent_id or f"#{place}", status=to_status(parsed)))
            else:
                returned.append(parsed)
        refusals.extend(
            error_pb2.Refusal(item_id=str(unknown.intent_id), status=to_status(not_found("intent")))
            for unknown in (await self._take_back(returned) if returned else ())
        )
        note(items=len(request.intents), refused=len(refusals))
        return gate_pb2.ReturnIntentsResponse(refusals=refusals)

    async def CountWork(  # noqa: N802
        self, request: gate_pb2.CountWorkRequest, context: Context
    ) -> gate_pb2.CountWorkResponse:
        counts = await self._reads.count_waiting(request.organization_id, request.instance_id, request.campaign_id)
        return gate_pb2.CountWorkResponse(
            counts=[
                gate_pb2.WaitingIntents(
                    organization_id=count.organization_id,
                    instance_id=count.instance_id,
                    campaign_id=count.campaign_id,
                    intents=count.intents,
                )
                for count in counts
            ]
        )

    def _single(self, item: intent_pb2.NewIntent) -> Submission:
        taken = self._intake.take(current_caller().organization_id, item, prefix="intent")
        if isinstance(taken, Failure):
            raise taken
        return _submission([taken])


def _submission(intents: Sequence[NewIntent]) -> Submission:
    caller = current_caller()
    return Submission(
        organization_id=caller.organization_id,
        subject=caller.subject,
        traceparent=current_traceparent(),
        intents=intents,
    )


def _answers(results: Iterable[Result]) -> gate_pb2.SubmitIntentsResponse:
    decision_of = Once(partial(decision_to_proto, with_rules=False))
    response = gate_pb2.SubmitIntentsResponse()
    for result in results:
        if isinstance(result, Failure):
            response.results.add(error=to_status(result))
        else:
            answer(response.results.add().submitted, result, decision_of(result.recorded))
    return response
