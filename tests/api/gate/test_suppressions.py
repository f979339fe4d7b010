"""Suppressions: in both forms of a number, of all that waits, once each, and nobody else's."""

from typing import Any

import pytest
from tests.api.gate.conftest import Gate

from chassis.database import Query
from kernel.errors import Failure, Kind
from whatlead.gate.v1 import intent_pb2, policy_pb2, policy_pb2_grpc

NINE, EIGHT = "+5511987654321", "+551187654321"
LIST = policy_pb2.ListSuppressionsRequest()
CANCELED = intent_pb2.INTENT_STATE_CANCELED


def add(*recipients: str, request_id: str = "s", reason: str = "asked to stop") -> policy_pb2.AddSuppressionsRequest:
    return policy_pb2.AddSuppressionsRequest(request_id=request_id, recipients=recipients, reason=reason)


def remove(*recipients: str, request_id: str = "r") -> policy_pb2.RemoveSuppressionsRequest:
    return policy_pb2.RemoveSuppressionsRequest(request_id=request_id, recipients=recipients, reason="asked again")


@pytest.mark.parametrize("form", [NINE, EIGHT])
async def test_what_waits_for_either_form_is_canceled_and_its_slot_and_content_are_free(gate: Gate, form: str) -> None:
    await gate.provision("inst-1", policy=policy_pb2.Policy(hourly_cap=1))
    other = await gate.submit_one()
    waiting = [await gate.submit_one(recipient=number, campaign_id=f"c-{len(number)}") for number in (NINE, EIGHT)]
    assert {one.decision.reason for one in waiting} == {"INSTANCE_CAP"}
    answer = await gate.policies.AddSuppressions(add(form))
    assert (answer.added, answer.canceled) == (1, 2)
    for one in waiting:
        assert (await gate.get(one.intent_id)).state == CANCELED
        await gate.until(
            lambda intent_id=one.intent_id: gate.audit.life(intent_id)[-1:] == [(2, "CANCELED", "OPTED_OUT")]
        )
    assert (await gate.get(other.intent_id)).state == intent_pb2.INTENT_STATE_APPROVED
    assert not gate.executor.cancels
    again = {"recipient": NINE, "campaign_id": waiting[0].intent_id}
    assert (await gate.submit_one(**again)).decision.reason == "OPTED_OUT"
    await gate.policies.RemoveSuppressions(remove(EIGHT))
    # The slots of the two, in the coming hours, were given back: the first of them is taken again.
    submitted = await gate.submit_one(recipient=EIGHT, campaign_id=f"c-{len(NINE)}")
    assert submitted.decision.reason == "INSTANCE_CAP"
    assert submitted.decision.earliest_time == waiting[0].decision.earliest_time


async def test_a_repeat_changes_nothing_and_gets_the_same_answer(gate: Gate) -> None:
    await gate.provision("inst-1")
    await gate.submit_one(recipient=NINE)
    first = await gate.policies.AddSuppressions(add(NINE, EIGHT, "+5521987654321"))
    assert (first.added, first.canceled) == (2, 1)
    assert await gate.policies.AddSuppressions(add(NINE, EIGHT, "+5521987654321")) == first
    anew = await gate.policies.AddSuppressions(add(EIGHT, request_id="s-2", reason="again"))
    assert (anew.added, anew.canceled) == (0, 0)
    listed = (await gate.policies.ListSuppressions(LIST)).suppressions
    assert [one.reason for one in listed] == ["asked to stop"] * 2
    with pytest.raises(Failure) as raised:
        await gate.policies.AddSuppressions(add(NINE))
    assert (raised.value.kind, raised.value.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_what_has_begun_is_not_canceled_and_the_executor_is_asked_once(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient=NINE)
    gate.executor.begun.add(submitted.intent_id)
    answer = await gate.policies.AddSuppressions(add(NINE))
    assert (answer.added, answer.canceled) == (1, 0)
    assert (await gate.get(submitted.intent_id)).state == intent_pb2.INTENT_STATE_APPROVED
    (asked,) = gate.executor.cancels
    assert (asked.organization_id, asked.actor) == ("demo", "tester")
    assert asked.intent_ids == [submitted.intent_id]


async def test_more_than_the_executor_takes_in_a_call_is_asked_for_in_parts(gate: Gate) -> None:
    await gate.provision("inst-1")
    intents = [gate.intent(recipient=NINE, campaign_id=f"c-{n}") for n in range(1_200)]
    await gate.submit(*intents[:700])
    await gate.submit(*intents[700:])
    answer = await gate.policies.AddSuppressions(add(EIGHT))
    assert (answer.added, answer.canceled) == (1, 1_200)
    assert max(len(request.intent_ids) for request in gate.executor.cancels) <= 1_000


async def test_while_the_executor_is_away_the_caller_is_told_and_the_suppression_holds(gate: Gate) -> None:
    await gate.provision("inst-1")
    submitted = await gate.submit_one(recipient=NINE)
    await gate.until(lambda: gate.executor.jobs)
    gate.executor.away = True
    for _ in range(2):
        with pytest.raises(Failure) as raised:
            await gate.policies.AddSuppressions(add(NINE))
        assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "EXECUTOR_UNREACHABLE")
        assert raised.value.retry_after is not None
    assert (await gate.submit_one(recipient=EIGHT, campaign_id="x")).decision.reason == "OPTED_OUT"
    gate.executor.away = False
    assert (await gate.policies.AddSuppressions(add(NINE))).added == 1
    assert (await gate.get(submitted.intent_id)).state == CANCELED


async def test_lifting_one_keeps_that_it_was_and_who_lifted_it(gate: Gate) -> None:
    await gate.policies.AddSuppressions(add(NINE))
    assert (await gate.policies.RemoveSuppressions(remove(EIGHT, NINE))).removed == 1
    assert (await gate.policies.RemoveSuppressions(remove(EIGHT, NINE))).removed == 1
    assert (await gate.policies.RemoveSuppressions(remove(EIGHT, request_id="r-2"))).removed == 0
    assert not (await gate.policies.ListSuppressions(LIST)).suppressions
    async with gate.database.autocommit() as tx:
        (row,) = await tx.fetch(
            Query.of("test", "SELECT suppressed_by, suppression_reason, lifted_by, lift_reason FROM lifted_suppression")
        )
    assert tuple(row) == ("tester", "asked to stop", "tester", "asked again")


async def test_the_list_is_paged_newest_first_without_gap_or_repeat(gate: Gate) -> None:
    for n in range(3):
        await gate.policies.AddSuppressions(add(*(f"+55119870{n}{k:04}" for k in range(3)), request_id=f"s-{n}"))
    found: list[str] = []
    request = policy_pb2.ListSuppressionsRequest(page_size=2)
    while True:
        page = await gate.policies.ListSuppressions(request)
        found += [one.recipient_id for one in page.suppressions]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(found) == len(set(found)) == 9
    assert found == [one.recipient_id for one in (await gate.policies.ListSuppressions(LIST)).suppressions]


async def test_suppressions_are_each_organizations_own(gate: Gate) -> None:
    await gate.provision("inst-1")
    stranger: Any = policy_pb2_grpc.PolicyServiceStub(gate.server.public_channel(organization_id="other"))
    assert (await stranger.AddSuppressions(add(NINE))).added == 1
    assert (await gate.submit_one(recipient=NINE)).decision.reason == ""
    assert not (await gate.policies.ListSuppressions(LIST)).suppressions
    assert (await gate.policies.RemoveSuppressions(remove(NINE))).removed == 0
    page = await stranger.ListSuppressions(policy_pb2.ListSuppressionsRequest(page_size=1))
    assert len(page.suppressions) == 1


@pytest.mark.parametrize(
    "bad", ["5511987654321", "+55 11 98765-4321", "11987654321", "+", "n/a", "\0", "+5511987654321\n"]
)
async def test_a_number_that_is_none_fails_the_call_by_its_place_and_nothing_is_stored(gate: Gate, bad: str) -> None:
    numbers = [f"+55119876543{n:02}" for n in range(10)]
    numbers[7] = bad
    with pytest.raises(Failure) as raised:
        await gate.policies.AddSuppressions(add(*numbers))
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    assert [violation.field for violation in raised.value.violations] == ["recipients[7]"]
    assert not (await gate.policies.ListSuppressions(LIST)).suppressions


async def test_a_thousand_bad_numbers_are_answered_like_one(gate: Gate) -> None:
    with pytest.raises(Failure) as raised:
        await gate.policies.AddSuppressions(add(*(["x" * 64] * 1_000)))
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    for recipients in ([], [NINE] * 1_001):
        with pytest.raises(Failure) as raised:
            await gate.policies.AddSuppressions(add(*recipients))
        assert [violation.field for violation in raised.value.violations] == ["recipients"]
