"""Erasing and exporting people: all of one, in either form of the number, and nothing of anybody else."""

import asyncio
from typing import Any

import pytest
from tests.api.gate.conftest import Gate

from chassis.database import Query
from kernel.errors import Failure, Kind
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import gate_pb2, intent_pb2, policy_pb2, subject_pb2, subject_pb2_grpc

NINE, EIGHT, OTHER = "+5511987654321", "+551187654321", "+5521987654321"
TEXT = intent_pb2.Text(body="Ana, your order is here")
CANCELED = intent_pb2.INTENT_STATE_CANCELED
PERSONAL = """
SELECT count(*) AS held
FROM intent
WHERE number_hash IS NOT NULL OR recipient_id IS NOT NULL OR sealed <> '' OR content_hash <> '' OR content_digest <> ''
"""


def erase(
    number: str = NINE, request_id: str = "e-1", reason: str = "asked by mail"
) -> subject_pb2.EraseSubjectRequest:
    return subject_pb2.EraseSubjectRequest(request_id=request_id, recipient=number, reason=reason)


def export(number: str = NINE, **values: Any) -> subject_pb2.ExportSubjectRequest:
    return subject_pb2.ExportSubjectRequest(recipient=number, reason="asked by mail", **values)


async def held(gate: Gate, statement: str = PERSONAL) -> int:
    async with gate.database.autocommit() as tx:
        row = await tx.fetch_one(Query.of("test", statement))
    assert row is not None
    return int(row.held)


def told(gate: Gate, type_: int) -> list[event_pb2.OperationalEvent]:
    return [event for event in gate.audit.events if event.type == type_]


@pytest.mark.parametrize("form", [NINE, EIGHT])
async def test_an_erased_person_is_found_no_more_and_is_never_written_to_again(gate: Gate, form: str) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    handed_over = await gate.submit_one(recipient=NINE, text=TEXT)
    waiting = await gate.submit_one(recipient=EIGHT, campaign_id="x", text=TEXT)
    assert waiting.decision.reason == "INSTANCE_CAP"
    before = (await gate.get(waiting.intent_id)).recipient_id
    answer = await gate.subjects.EraseSubject(erase(form))
    assert (answer.recipient_id, answer.intents, answer.canceled, answer.pending) == (before, 2, 1, 0)
    assert gate.executor.erased == {handed_over.intent_id, waiting.intent_id}
    assert await held(gate) == 0
    for one in (handed_over, waiting):
        shown = await gate.get(one.intent_id)
        assert (shown.state, shown.recipient_id) == (CANCELED, "")
    await gate.until(lambda: gate.audit.life(waiting.intent_id)[-1:] == [(2, "CANCELED", "FORGOTTEN")])
    (event,) = await gate.until(lambda: told(gate, event_pb2.EVENT_TYPE_SUBJECT_ERASED))
    assert (event.aggregate_id, event.actor, event.subject.note) == (before, "tester", "asked by mail")
    assert (event.subject.intents, event.subject.canceled) == (2, 1)
    erasures = await gate.until(lambda: told(gate, event_pb2.EVENT_TYPE_MESSAGE_ERASED))
    assert {one.aggregate_id for one in erasures} == {handed_over.intent_id, waiting.intent_id}
    assert {(one.sequence, one.actor, one.note.note) for one in erasures} == {(0, "tester", "asked by mail")}
    assert {one.occurred_at.ToNanoseconds() for one in erasures} == {event.occurred_at.ToNanoseconds()}
    assert not any(before.encode() in one.SerializeToString() for one in erasures), "an intent leads to nobody"
    again = await gate.submit_one(recipient=EIGHT, campaign_id="y")
    assert again.decision.reason == "OPTED_OUT"
    assert (await gate.get(again.intent_id)).recipient_id != before, "nothing leads from the new id to the old one"


async def test_nobody_else_is_touched(gate: Gate) -> None:
    await gate.provision("inst-1")
    other = await gate.submit_one(recipient=OTHER, text=TEXT)
    stranger: Any = subject_pb2_grpc.SubjectServiceStub(gate.server.public_channel(organization_id="other"))
    assert (await stranger.EraseSubject(erase(OTHER))).intents == 0
    assert (await gate.subjects.EraseSubject(erase(NINE))).intents == 0
    assert (await stranger.ExportSubject(export(OTHER))).recipient_id != (await gate.get(other.intent_id)).recipient_id
    (exported,) = (await gate.subjects.ExportSubject(export(OTHER))).intents
    assert (exported.content.recipient, exported.content.text) == (OTHER, TEXT)


async def test_erasing_again_changes_nothing_and_gets_the_same_answer(gate: Gate) -> None:
    await gate.provision("inst-1")
    await gate.submit_one(recipient=NINE)
    first = await gate.subjects.EraseSubject(erase())
    assert await gate.subjects.EraseSubject(erase()) == first
    anew = await gate.subjects.EraseSubject(erase(EIGHT, request_id="e-2"))
    assert (anew.recipient_id, anew.intents, anew.canceled) == ("", 0, 0)
    await gate.until(lambda: told(gate, event_pb2.EVENT_TYPE_SUBJECT_ERASED))
    assert len(told(gate, event_pb2.EVENT_TYPE_SUBJECT_ERASED)) == 1
    with pytest.raises(Failure) as raised:
        await gate.subjects.EraseSubject(erase(OTHER))
    assert raised.value.reason == "REQUEST_ID_REUSED"


async def test_while_the_executor_is_away_it_is_done_here_and_kept_for_it(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient=NINE)
    await gate.until(lambda: gate.executor.jobs)
    gate.executor.away = True
    with pytest.raises(Failure) as raised:
        await gate.subjects.ExportSubject(export())
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "EXECUTOR_UNREACHABLE")
    answer = await gate.subjects.EraseSubject(erase())
    assert (answer.intents, answer.pending) == (1, 1)
    assert await held(gate) == 0
    gate.executor.away = False
    await gate.until(lambda: submitted.intent_id in gate.executor.erased)  # asked again by itself
    assert (await gate.subjects.EraseSubject(erase())).pending == 0


async def test_what_is_being_sent_stays_pending_until_it_is_over(gate: Gate) -> None:
    await gate.provision("inst-1")
    sending, over = await gate.submit_one(recipient=NINE), await gate.submit_one(recipient=NINE, campaign_id="x")
    gate.executor.begun.add(sending.intent_id)
    assert (await gate.subjects.EraseSubject(erase())).pending == 1
    assert gate.executor.erased == {over.intent_id}
    gate.executor.begun.clear()
    assert (await gate.subjects.EraseSubject(erase())).pending == 0
    assert sending.intent_id in gate.executor.erased


async def test_an_erased_intent_that_comes_back_from_the_executor_ends(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient=NINE)
    gate.executor.begun.add(submitted.intent_id)
    await gate.subjects.EraseSubject(erase())
    returned = gate_pb2.ReturnedIntent(
        organization_id="demo", intent_id=submitted.intent_id, decision_number=1, sequence=5, reason="RETRY_REQUESTED"
    )
    await gate.from_executor.ReturnIntents(gate_pb2.ReturnIntentsRequest(intents=[returned]))
    assert (await gate.get(submitted.intent_id)).state == CANCELED
    await gate.until(lambda: gate.audit.life(submitted.intent_id)[-1:] == [(5, "CANCELED", "FORGOTTEN")])


async def test_a_request_id_of_an_erased_intent_is_told_so_and_sends_nothing(gate: Gate) -> None:
    await gate.provision("inst-1")
    await gate.submit_one(recipient=NINE, request_id="lead-1")
    await gate.subjects.EraseSubject(erase())
    with pytest.raises(Failure) as raised:
        await gate.submit_one(recipient=NINE, request_id="lead-1")
    assert (raised.value.kind, raised.value.reason) == (Kind.FAILED_PRECONDITION, "FORGOTTEN")


async def test_whatever_is_submitted_at_the_same_time_is_forgotten_or_blocked(gate: Gate) -> None:
    await gate.provision("inst-1")

    async def submit(number: int) -> gate_pb2.SubmittedIntent:
        return await gate.submit_one(recipient=NINE if number % 2 else EIGHT, campaign_id=f"c-{number}")

    async def erase_amid() -> subject_pb2.EraseSubjectResponse:
        await gate.until(lambda: gate.executor.jobs)
        return await gate.subjects.EraseSubject(erase())

    *submitted, answer = await asyncio.gather(*map(submit, range(60)), erase_amid())
    blocked = [one for one in submitted if one.decision.reason == "OPTED_OUT"]
    assert answer.intents + len(blocked) == 60
    assert await held(gate, "SELECT count(*) AS held FROM intent WHERE sealed <> ''") == 0
    anew = await gate.subjects.EraseSubject(erase(request_id="e-2"))
    assert anew.intents == len(blocked)


async def test_an_export_tells_everything_page_by_page_and_is_put_on_record(gate: Gate) -> None:
    await gate.provision("inst-1")
    sent = [await gate.submit_one(recipient=NINE, campaign_id=f"c-{n}", text=TEXT) for n in range(5)]
    await gate.submit_one(recipient=OTHER)
    suppress = policy_pb2.AddSuppressionsRequest(request_id="s", recipients=[OTHER, NINE], reason="asked to stop")
    allow = policy_pb2.RemoveSuppressionsRequest(request_id="r", recipients=[NINE], reason="asked again")
    await gate.until(lambda: len(gate.executor.jobs) == 6)
    gate.executor.begun.update(one.intent_id for one in sent)
    await gate.policies.AddSuppressions(suppress)
    await gate.policies.RemoveSuppressions(allow)
    found: list[subject_pb2.ExportedIntent] = []
    request = export(EIGHT, page_size=2)
    while True:
        page = await gate.subjects.ExportSubject(request)
        found += page.intents
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [one.intent.intent_id for one in found] == [one.intent_id for one in reversed(sent)]
    assert {(one.content.recipient, one.content.text.body) for one in found} == {(NINE, TEXT.body)}
    assert {(one.job.state, one.job.content.recipient) for one in found} == {("READY", NINE)}
    assert not page.HasField("suppression")
    assert [(one.suppression.reason, one.lifted_by, one.reason) for one in page.lifted] == [
        ("asked to stop", "tester", "asked again")
    ]
    await gate.until(lambda: len(told(gate, event_pb2.EVENT_TYPE_SUBJECT_EXPORTED)) == 3)
    with pytest.raises(Failure) as raised:
        await gate.subjects.ExportSubject(export(OTHER, page_size=2, page_token=request.page_token))
    assert raised.value.reason == "INVALID_PAGE_TOKEN"


async def test_what_is_blocked_or_over_keeps_no_content(gate: Gate) -> None:
    await gate.provision("inst-1")
    await gate.submit_one(recipient="+551132654321", text=TEXT)
    await gate.policies.AddSuppressions(
        policy_pb2.AddSuppressionsRequest(request_id="s", recipients=[NINE], reason="asked to stop")
    )
    await gate.submit_one(recipient=NINE, text=TEXT)
    assert await held(gate, "SELECT count(*) AS held FROM intent WHERE sealed <> ''") == 0


@pytest.mark.parametrize("call", ["EraseSubject", "ExportSubject"])
@pytest.mark.parametrize(
    ("recipient", "reason", "field"),
    [
        ("11987654321", "asked", "recipient"),
        (NINE, "", "reason"),
        (NINE, "Ana (11) 98765-4321 asked", "reason"),
        (EIGHT, "erase +5511987654321", "reason"),
    ],
)
async def test_what_is_wrong_is_named_and_never_the_number(
    gate: Gate, call: str, recipient: str, reason: str, field: str
) -> None:
    requests: dict[str, Any] = {
        "EraseSubject": erase(recipient, reason=reason),
        "ExportSubject": subject_pb2.ExportSubjectRequest(recipient=recipient, reason=reason),
    }
    with pytest.raises(Failure) as raised:
        await getattr(gate.subjects, call)(requests[call])
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    assert [violation.field for violation in raised.value.violations] == [field]
    assert "8765" not in str(raised.value)


@pytest.mark.parametrize("role", ["admin", "member"])
async def test_only_owners_may(gate: Gate, role: str) -> None:
    stub: Any = subject_pb2_grpc.SubjectServiceStub(gate.server.public_channel(role=role))
    for call in (stub.EraseSubject(erase()), stub.ExportSubject(export())):
        with pytest.raises(Failure) as raised:
            await call
        assert raised.value.kind is Kind.PERMISSION_DENIED


@pytest.mark.parametrize("field", ["request_id", "reference", "campaign_id"])
@pytest.mark.parametrize("form", [NINE, EIGHT])
async def test_what_goes_into_events_must_not_hold_the_number(gate: Gate, field: str, form: str) -> None:
    await gate.provision("inst-1")
    holding = {"recipient": form, field: f"lead-{EIGHT[-8:]}"}
    with pytest.raises(Failure) as raised:
        await gate.submit_one(**holding)
    assert [violation.field for violation in raised.value.violations] == [f"intent.{field}"]
    assert EIGHT[-8:] not in str(raised.value)
    (result,) = await gate.submit(gate.intent(**holding))
    assert result.WhichOneof("result") == "error"
    await gate.submit_one(**{**holding, "recipient": "+5521976543210", "campaign_id": "c"})


async def test_after_a_restore_a_person_is_erased_again_by_the_id_that_the_event_names(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient=NINE, text=TEXT)
    recipient_id = (await gate.get(submitted.intent_id)).recipient_id
    by_id = subject_pb2.EraseSubjectRequest(request_id="e-1", recipient_id=recipient_id, reason="restored")
    assert (await gate.subjects.EraseSubject(by_id)).recipient_id == recipient_id
    assert await held(gate) == 0
    by_id.request_id = "e-2"
    with pytest.raises(Failure) as raised:
        await gate.subjects.EraseSubject(by_id)
    assert raised.value.kind is Kind.NOT_FOUND, "the id means nobody any more"
    for both_or_none in ({}, {"recipient": NINE, "recipient_id": recipient_id}):
        with pytest.raises(Failure) as raised:
            await gate.subjects.EraseSubject(
                subject_pb2.EraseSubjectRequest(request_id="e-3", reason="x", **both_or_none)
            )
        assert "give recipient or recipient_id" in str(raised.value.violations)
