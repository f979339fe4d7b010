"""What waits in a paused scope costs one write at most, goes on bit by bit after the resume, and is decided again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.stores.gate.parts import Part, accepted, new_intent, part

from chassis.database import Database
from gate.application.returns import Returned, take_back
from gate.domain.policy import DEFAULT_POLICY, Pace, Policy
from gate.domain.schedule import SECOND
from gate.domain.words import Category, Reason
from gate.infrastructure.reading import IntentReads

Fresh = Callable[[str], Awaitable[Database]]
SLOW = Policy(pace=Pace(gap=10 * SECOND, jitter=0, burst=1))
NOTHING, AT_ONCE = 30.0, 0.0


async def hold(gate: Part, intents: int, campaign_id: str = "welcome", organization_id: str = "demo") -> list[UUID]:
    """Submit to a paused campaign what is told to wait."""
    results = await gate.submit(
        *(new_intent(organization_id, campaign_id=campaign_id, hold_if_paused=True) for _ in range(intents)),
        organization_id=organization_id,
    )
    return [submitted.intent_id for submitted in accepted(results)]


async def release_all(gate: Part) -> None:
    """Release until nothing is due. Fails if that never comes."""
    after = ""
    async with asyncio.timeout(20):
        while (released := await gate.release(after)).more:
            after = released.after


async def go_on(gate: Part) -> None:
    """Unpark and release until nothing more can go."""
    while await gate.unpark() == AT_ONCE:
        await release_all(gate)
    await gate.flush()


def sent(gate: Part) -> Counter[str]:
    return Counter(job.campaign_id for job in gate.told.jobs)


async def test_what_comes_due_in_a_paused_scope_is_written_once_and_wakes_nobody(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(SLOW, "inst-1")
    await gate.submit(*(new_intent() for _ in range(8)))
    gate.pause("welcome")
    gate.clock.at += timedelta(seconds=10)
    await release_all(gate)
    rows = "SELECT intent_id, xmin::text, waits_for FROM waiting ORDER BY 1"
    once = await gate.sql(rows)
    assert Counter(waits_for for *_, waits_for in once) == {"RESUME": 4, "TIME": 3}
    next_due = await gate.waiting.next_due()
    assert next_due is not None
    assert next_due > gate.clock.now() + timedelta(seconds=30)
    for _ in range(3):
        gate.clock.at += timedelta(seconds=9)
        await release_all(gate)
        assert await gate.unpark() == NOTHING
    assert await gate.sql(rows) == once


async def test_what_was_parked_ahead_keeps_its_slot_and_its_decision(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(SLOW, "inst-1")
    submitted = accepted(await gate.submit(*(new_intent() for _ in range(4))))
    gate.pause("welcome")
    gate.clock.at += timedelta(seconds=10)
    await release_all(gate)
    gate.resume("welcome")
    await go_on(gate)
    assert sent(gate) == {"welcome": 2}
    gate.clock.at += timedelta(seconds=20)
    await release_all(gate)
    await gate.flush()
    slots = [one.recorded.decision.slot.at for one in submitted if one.recorded.decision.slot]
    assert [job.not_before.ToMicroseconds() for job in gate.told.jobs] == slots
    assert [job.decision_number for job in gate.told.jobs] == [1, 2, 2, 2]


async def test_a_mass_that_is_due_in_a_paused_scope_keeps_nobody_waiting_long(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(hourly_cap=0), "inst-1")
    for _ in range(2):
        await gate.submit(*(new_intent() for _ in range(1000)))
    await gate.submit(new_intent(campaign_id="other"))
    gate.pause("welcome")
    await gate.put_policy(Policy())
    for _ in range(4):
        await gate.release()
    await gate.flush()
    assert sent(gate) == {"other": 1}
    assert await gate.sql("SELECT waits_for, count(*) FROM waiting GROUP BY 1") == [("RESUME", 2000)]


async def test_what_expires_in_a_paused_scope_ends_and_hides_nothing_that_is_due(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(SLOW, "inst-1")
    gate.pause("welcome")
    await hold(gate, 700)
    gate.clock.at += timedelta(days=40)
    await gate.submit(*(new_intent(campaign_id="other") for _ in range(2)))
    gate.clock.at += timedelta(seconds=10)
    await release_all(gate)
    await gate.flush()
    assert sent(gate) == {"other": 2}
    states = "SELECT campaign_id, state, count(*) FROM intent GROUP BY 1, 2 ORDER BY 1"
    assert await gate.sql(states) == [("other", "APPROVED", 2), ("welcome", "EXPIRED", 700)]
    assert await gate.waiting.next_due() is None


COOLING = """
UPDATE instance
SET cooldown_reason = 'X', cooldown_level = 1, cooldown_start = now(), cooldown_end = now() + interval '100 years'
RETURNING 1
"""
OPTED_OUT = "UPDATE recipient SET suppressed_at = now(), suppressed_by = 'x', suppression_reason = 'x' RETURNING 1"


@pytest.mark.parametrize(
    ("meanwhile", "policy", "passed", "state", "reason"),
    [
        ("SELECT 1", Policy(), timedelta(0), "APPROVED", ""),
        (OPTED_OUT, Policy(), timedelta(0), "BLOCKED", "OPTED_OUT"),
        ("SELECT 1", Policy(), timedelta(days=40), "EXPIRED", "OPS_PAUSED"),
        (
            "UPDATE instance SET connected = false RETURNING 1",
            Policy(),
            timedelta(0),
            "QUEUED",
            "INSTANCE_DISCONNECTED",
        ),
        (COOLING, Policy(), timedelta(0), "QUEUED", "COOLDOWN_ACTIVE"),
        ("SELECT 1", Policy(hourly_cap=0), timedelta(0), "QUEUED", "INSTANCE_CAP"),
        ("SELECT 1", Policy(daily_cap=0), timedelta(0), "QUEUED", "INSTANCE_CAP"),
    ],
    ids=["nothing", "suppressed", "expired", "disconnected", "cooling-down", "hour-full", "day-full"],
)
async def test_a_resume_sends_nothing_that_may_not_be_sent_any_more(
    service_database: Fresh, meanwhile: str, policy: Policy, passed: timedelta, state: str, reason: str
) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(), "inst-1")
    gate.pause("welcome")
    await hold(gate, 3)
    await gate.sql(meanwhile)
    await gate.put_policy(policy)
    gate.clock.at += passed
    gate.resume("welcome")
    await go_on(gate)
    assert sent(gate) == ({"welcome": 3} if state == "APPROVED" else {})
    assert await gate.sql("SELECT DISTINCT state, reason FROM intent") == [(state, reason)]


async def test_a_resume_frees_a_share_at_a_time_and_others_keep_going(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    for organization_id in ("demo", "small"):
        await gate.provision(Policy(hourly_cap=0), "inst-1", organization_id=organization_id)
        await gate.submit(
            *(new_intent(organization_id, campaign_id="other") for _ in range(50)), organization_id=organization_id
        )
    gate.pause("welcome")
    for _ in range(2):
        await hold(gate, 1000)
    gate.resume("welcome")
    for organization_id in ("demo", "small"):
        await gate.put_policy(Policy(), organization_id=organization_id)

    assert await gate.unpark() == AT_ONCE
    (freed,) = await gate.sql("SELECT count(*) FROM waiting WHERE campaign_id = 'welcome' AND waits_for = 'TIME'")
    assert 0 < freed[0] < 500
    await gate.release()
    await gate.flush()
    assert sent(gate) == {"other": 100, "welcome": freed[0]}
    await go_on(gate)
    assert sent(gate)["welcome"] == 2000


async def test_scopes_that_are_freed_together_share_a_round(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(), "inst-1")
    campaigns = [f"c-{number}" for number in range(5)]
    for campaign_id in campaigns:
        gate.pause(campaign_id)
        await hold(gate, 200, campaign_id)
        gate.resume(campaign_id)
    await gate.unpark()
    assert await gate.sql(
        "SELECT campaign_id, count(*) FROM waiting WHERE waits_for = 'TIME' GROUP BY 1 ORDER BY 1"
    ) == [(campaign_id, 80) for campaign_id in campaigns]


async def test_on_a_ramp_little_more_is_handed_over_than_the_executor_sends(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(), "inst-1")
    for campaign_id in ("welcome", "bye"):
        gate.pause(campaign_id)
        await hold(gate, 1000, campaign_id)
        gate.resume(campaign_id, share=0.1)
    for _ in range(100):
        await gate.unpark()
        await release_all(gate)
        gate.clock.at += timedelta(milliseconds=100)
    await gate.flush()
    # 80 messages a second at a tenth, over 10 s, whatever the number of campaigns.
    assert 80 <= sum(sent(gate).values()) <= 120
    assert 0 < await gate.unpark() <= 2
    gate.kill.shares.clear()
    await go_on(gate)
    assert sent(gate) == {"welcome": 1000, "bye": 1000}


async def test_what_comes_back_during_a_ramp_waits_for_its_turn(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(), "inst-1")
    intent_ids = [one.intent_id for one in accepted(await gate.submit(*(new_intent() for _ in range(500))))]
    gate.pause("welcome")
    gate.resume("welcome", share=0.1)
    woken: list[object] = []
    await take_back(
        [Returned(organization_id="demo", intent_id=one, decision_number=1, sequence=3) for one in intent_ids],
        control=gate.kill,
        store=gate.store,
        clock=gate.clock,
        wake=woken.append,
        count=lambda verdicts: None,
    )
    await gate.flush()
    assert len(gate.told.jobs) == 500
    assert woken == [None]
    await gate.unpark()
    await release_all(gate)
    await gate.flush()
    assert 500 < len(gate.told.jobs) <= 520


async def test_what_is_out_of_hours_at_the_resume_goes_when_its_window_opens(
    service_database: Fresh,
) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(quiet_hours=DEFAULT_POLICY.quiet_hours), "inst-1")
    gate.pause("welcome")
    marketing = [
        new_intent(campaign_id="welcome", hold_if_paused=True, category=Category.MARKETING, utc_offset=utc_offset)
        for utc_offset in (-3, -5)
    ]
    await gate.submit(*marketing, new_intent(campaign_id="welcome", hold_if_paused=True))
    gate.clock.at = datetime(2026, 11, 28, 19, 30, tzinfo=UTC)  # Saturday: 16:30 in São Paulo, 14:30 in Acre
    gate.resume("welcome")
    await go_on(gate)
    assert sent(gate) == {"welcome": 2}
    (intent_id,) = (row[0] for row in await gate.sql("SELECT intent_id FROM intent WHERE state = 'QUEUED'"))
    decision = (await IntentReads(database=gate.database).one("demo", intent_id=intent_id)).recorded.decision
    monday = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert (decision.reason, decision.earliest_time) == (Reason.QUIET_HOURS, monday)
    assert await gate.waiting.next_due() == monday

    gate.clock.at = monday - timedelta(microseconds=1)
    await release_all(gate)
    gate.clock.at = monday
    await gate.flush()
    assert sent(gate) == {"welcome": 2}
    await release_all(gate)
    await gate.flush()
    assert sent(gate) == {"welcome": 3}
    assert gate.told.jobs[-1].intent_id == str(intent_id)


async def test_a_night_that_comes_before_its_turn_moves_an_intent_to_the_next_day(service_database: Fresh) -> None:
    gate = part(await service_database("gate"))
    await gate.provision(Policy(hourly_cap=1, quiet_hours=DEFAULT_POLICY.quiet_hours), "inst-1")
    gate.clock.at = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)  # Monday, half an hour before the closing
    await gate.submit(*(new_intent(category=Category.MARKETING) for _ in range(11)))
    days = "SELECT intent_id, decision_number, reason FROM intent WHERE state = 'QUEUED'"
    assert {row[1:] for row in await gate.sql(days)} == {(1, "QUIET_HOURS")}
    for day, left in ((24, {(2, "QUIET_HOURS")}), (25, set())):
        for hour in range(24):
            gate.clock.at = datetime(2026, 11, day, hour, tzinfo=UTC)
            await release_all(gate)
        assert {row[1:] for row in await gate.sql(days)} == left
    await gate.flush()
    local = [job.approved_at.ToDatetime(tzinfo=UTC) - timedelta(hours=3) for job in gate.told.jobs]
    assert [(at.day, at.hour) for at in local] == [(23, 17), *((24, hour) for hour in range(9, 18)), (25, 9)]
