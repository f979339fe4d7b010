"""Policies: versions that are kept, etags, what is refused, and decisions that go by the newest."""

import asyncio
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.api.gate.conftest import Gate

from chassis.database import Query
from kernel.errors import Failure, Kind
from whatlead.gate.v1 import intent_pb2, policy_pb2, policy_pb2_grpc
from whatlead.gate.v1.policy_pb2 import QuietHours, Window

GET = policy_pb2.GetPolicyRequest()
ALL_DAY = Window(start="00:00", end="24:00")


def update(request_id: str, **values: Any) -> policy_pb2.UpdatePolicyRequest:
    etag = values.pop("etag", "")
    return policy_pb2.UpdatePolicyRequest(request_id=request_id, policy=policy_pb2.Policy(**values), etag=etag)


async def test_every_version_is_kept_and_decisions_name_the_one_they_went_by(gate: Gate) -> None:
    await gate.provision("inst-1")
    versions = []
    for cap in (100, 200):
        await gate.policies.UpdatePolicy(update(f"cap-{cap}", hourly_cap=cap))
        versions.append((await gate.submit_one()).decision.policy_version)
    assert versions == [2, 3]
    async with gate.database.autocommit() as tx:
        kept = await tx.fetch(Query.of("test", "SELECT version, created_by FROM policy ORDER BY version"))
    assert [tuple(row) for row in kept] == [(1, "tester"), (2, "tester"), (3, "tester")]


async def test_a_repeated_update_is_the_same_version_and_other_content_is_refused(gate: Gate) -> None:
    answers = await asyncio.gather(*(gate.policies.UpdatePolicy(update("p", hourly_cap=5)) for _ in range(5)))
    assert {answer.version for answer in answers} == {1}
    await gate.policies.UpdatePolicy(update("p-2", hourly_cap=6))
    assert await gate.policies.UpdatePolicy(update("p", hourly_cap=5)) == answers[0]
    assert (await gate.policies.GetPolicy(GET)).policy.hourly_cap == 6
    with pytest.raises(Failure) as raised:
        await gate.policies.UpdatePolicy(update("p", hourly_cap=7))
    assert (raised.value.kind, raised.value.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_of_updates_with_the_same_etag_one_holds(gate: Gate) -> None:
    etag = (await gate.policies.GetPolicy(GET)).etag
    answers = await asyncio.gather(
        *(gate.policies.UpdatePolicy(update(f"p-{n}", hourly_cap=n, etag=etag)) for n in range(5)),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, Failure)]
    assert [(failure.kind, failure.reason) for failure in refused] == [(Kind.ABORTED, "ETAG_MISMATCH")] * 4
    assert (await gate.policies.GetPolicy(GET)).version == 1


async def test_validate_only_checks_all_and_keeps_nothing(gate: Gate) -> None:
    request = update("p", hourly_cap=5)
    request.validate_only = True
    assert (await gate.policies.UpdatePolicy(request)).version == 1
    request.etag = "7"
    with pytest.raises(Failure) as raised:
        await gate.policies.UpdatePolicy(request)
    assert raised.value.reason == "ETAG_MISMATCH"
    assert (await gate.policies.GetPolicy(GET)).version == 0
    assert (await gate.policies.UpdatePolicy(update("p", hourly_cap=9))).version == 1


async def test_what_is_stored_is_what_was_given_with_defaults_written_out(gate: Gate) -> None:
    given = policy_pb2.Policy(
        pace=policy_pb2.Pace(gap=Duration(seconds=6, nanos=500_000_000), jitter=Duration(seconds=1), burst=3),
        hourly_cap=0,
        approval_ttl=Duration(seconds=90),
        failure_threshold=policy_pb2.FailureThreshold(share=0.25, minimum_sends=50, minimum_failures=5),
        cooldown_steps=[Duration(seconds=60)],
        retry_unknown=[intent_pb2.CATEGORY_AUTHENTICATION],
        quiet_hours=QuietHours(
            weekdays=Window(start="08:30", end="24:00"),
            categories=[intent_pb2.CATEGORY_MARKETING, intent_pb2.CATEGORY_UTILITY],
            holidays=["2027-02-08", "2027-02-09"],
        ),
    )
    await gate.put_policy(given)
    stored = (await gate.policies.GetPolicy(GET)).policy
    assert stored.duplicate_window.seconds == 86_400
    stored.ClearField("duplicate_window")
    assert stored == given


async def test_policies_are_each_organizations_own(gate: Gate) -> None:
    await gate.put_policy(policy_pb2.Policy(hourly_cap=5))
    stranger = policy_pb2_grpc.PolicyServiceStub(gate.server.public_channel(organization_id="other"))
    assert ((await stranger.GetPolicy(GET)).version, (await stranger.GetPolicy(GET)).policy.hourly_cap) == (0, 80)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"pace": policy_pb2.Pace(gap=Duration(seconds=-1))}, "policy.pace.gap"),
        ({"pace": policy_pb2.Pace(gap=Duration(seconds=10**15))}, "policy.pace.gap"),
        ({"pace": policy_pb2.Pace(jitter=Duration(seconds=86_401))}, "policy.pace.jitter"),
        ({"pace": policy_pb2.Pace(burst=1_001)}, "policy.pace.burst"),
        ({"approval_ttl": Duration(seconds=9)}, "policy.approval_ttl"),
        ({"duplicate_window": Duration(seconds=2_592_001)}, "policy.duplicate_window"),
        ({"failure_threshold": policy_pb2.FailureThreshold()}, "policy.failure_threshold.share"),
        ({"failure_threshold": policy_pb2.FailureThreshold(share=float("nan"))}, "policy.failure_threshold.share"),
        ({"failure_threshold": policy_pb2.FailureThreshold(share=1.1)}, "policy.failure_threshold.share"),
        ({"cooldown_steps": [Duration(seconds=60)] * 9}, "policy.cooldown_steps"),
        ({"cooldown_steps": [Duration()]}, "policy.cooldown_steps[0]"),
        ({"retry_unknown": [0]}, "policy.retry_unknown[0]"),
        ({"retry_unknown": [99]}, "policy.retry_unknown[0]"),
        ({"quiet_hours": QuietHours()}, "policy.quiet_hours"),
        ({"quiet_hours": QuietHours(weekdays=Window(start="18:00", end="09:00"))}, "policy.quiet_hours.weekdays"),
        ({"quiet_hours": QuietHours(weekdays=Window(start="09:00", end="09:00"))}, "policy.quiet_hours.weekdays"),
        ({"quiet_hours": QuietHours(saturdays=Window(start="09:00", end="24:01"))}, "policy.quiet_hours.saturdays.end"),
        ({"quiet_hours": QuietHours(sundays=Window(start="0900", end="18:00"))}, "policy.quiet_hours.sundays.start"),
        ({"quiet_hours": QuietHours(weekdays=ALL_DAY, categories=[0])}, "policy.quiet_hours.categories[0]"),
        ({"quiet_hours": QuietHours(weekdays=ALL_DAY, holidays=["2027-2-9"])}, "policy.quiet_hours.holidays[0]"),
        (
            {"quiet_hours": QuietHours(weekdays=ALL_DAY, holidays=["2027-02-09", "2027-02-30"])},
            "policy.quiet_hours.holidays[1]",
        ),
    ],
)
async def test_impossible_policies_are_refused_by_their_fields(gate: Gate, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Failure) as raised:
        await gate.policies.UpdatePolicy(update("p", **values))
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    assert [violation.field for violation in raised.value.violations] == [field]
    assert (await gate.policies.GetPolicy(GET)).version == 0
