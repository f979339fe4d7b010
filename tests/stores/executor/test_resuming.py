"""How work goes on after a pause, on PostgreSQL: along a ramp, or by a canary; and how much work there is."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest
from tests.stores.executor.world import CAMPAIGN, INSTANCE, LANE, ORGANIZATION, World, new_job

from chassis.database import Database
from executor.application.ports import Allowed, Canary, TakeOrder
from executor.domain.job import Scope, TakenJob
from executor.domain.outcome import Outcome, Rejected, Sent, Unknown
from executor.domain.settling import Timing, abort, settle
from executor.domain.words import Reason
from executor.infrastructure.counting import PostgresCounts
from kernel.ids import uuid7

RAMPING, STEADY = "ramping", "steady"


@pytest.fixture
async def database(service_database) -> Database:  # type: ignore[no-untyped-def]
    found: Database = await service_database("executor")
    return found


async def take(world: World, scopes: Sequence[tuple[Scope, Allowed]], *, jobs: int = 200) -> list[TakenJob]:
    order = TakeOrder(
        scopes=tuple(scopes),
        platform_version=4,
        token=uuid7(),
        jobs=jobs,
        per_scope=100,
        horizon=0.25,
        permit_seconds=0.45,
        lease_seconds=60.0,
    )
    async with world.queue.begin() as tx:
        return list(await tx.take(order))


def allowed(factor: float, canary: Canary | None = None) -> Allowed:
    return Allowed(rate_factor=factor, control_version=7, canary=canary)


async def fill(world: World, campaign: str, *, instance: str, jobs: int) -> None:
    """Have jobs wait without the cost of accepting each."""
    lane = replace(LANE, instance_id=instance, gap=_GAPS[instance])
    (seed,) = [new_job(instance_id=instance, campaign_id=campaign)]
    await world.accept(seed, lanes=[lane])
    columns = """organization_id, instance_id, campaign_id, next_attempt_at, lapses_at, state, decision_number,
        next_sequence, submitted_at, approved_at, approved_until, expire_time, retry_unknown, category, recipient_id,
        traceparent, recipient, content"""
    await world.sql(
        f"""INSERT INTO job (intent_id, {columns})
        SELECT gen_random_uuid(), {columns} FROM job, generate_series(2, :jobs) WHERE intent_id = :seed""",
        jobs=jobs,
        seed=seed.intent_id,
    )


_GAPS = {"governed": 0.02, "ungoverned": 0.0}
_RAMP_SECONDS = 4.0


def factor_at(seconds: float) -> float:
    return min(1.0, 0.1 + 0.9 * max(0.0, seconds) / _RAMP_SECONDS)


def curve(begin: float, end: float) -> float:
    """The integral of the factor."""
    steps = 200
    width = (end - begin) / steps
    return sum(factor_at(begin + (step + 0.5) * width) for step in range(steps)) * width


async def test_a_ramp_is_never_above_its_curve_and_slows_down_nobody_else(database: Database) -> None:
    """Two takers at once; the lane with a gap is shared with a campaign that does not ramp."""
    worlds = [World.on(database) for _ in range(2)]
    await fill(worlds[0], RAMPING, instance="governed", jobs=4_000)
    await fill(worlds[0], STEADY, instance="governed", jobs=3_000)
    await fill(worlds[0], RAMPING, instance="ungoverned", jobs=3_000)
    ramping = [Scope(ORGANIZATION, instance, RAMPING) for instance in _GAPS]
    steady = Scope(ORGANIZATION, "governed", STEADY)
    clock = worlds[0].clock
    began = clock.boottime()
    slots: dict[Scope, list[float]] = {scope: [] for scope in (*ramping, steady)}

    async def rounds(world: World) -> None:
        while (now := clock.boottime() - began) < _RAMP_SECONDS:
            factor = factor_at(now)
            asked = [(scope, allowed(factor)) for scope in ramping] + [(steady, allowed(1.0))]
            for job in await take(world, asked):
                # On the database's clock, which is this machine's: what a round takes has its slots from its own start.
                at = job.job.taken_at.timestamp() if job.job.taken_at else 0.0
                slots[job.job.scope].append(at - offset + job.slot_in)
            await asyncio.sleep(0.02)

    offset = clock.now().timestamp() - (clock.boottime() - began)
    await asyncio.gather(*map(rounds, worlds))
    for scope in ramping:
        gap = _GAPS[scope.instance_id]
        pace = 1 / (gap or 1 / 80)
        times = sorted(slots[scope])
        for first, begin in enumerate(times):
            within = [at for at in times[first:] if at < begin + 1.0]
            # A slot lies up to one gap behind the ramp's own time, where other work has the lane just then.
            assert len(within) <= pace * curve(begin - gap, begin + 1.0) + 1, (scope, begin, len(within))
        total = pace * curve(0.0, _RAMP_SECONDS)
        assert len(times) >= 0.7 * total, f"{len(times)} of {total:.0f}: the ramp is used"
    lane = sorted(slots[ramping[0]] + slots[steady])
    assert min(b - a for a, b in pairwise(lane)) >= 0.02 - 1e-4, "the lane keeps its gap"
    assert len(lane) >= 0.9 * _RAMP_SECONDS / 0.02, "what the ramp leaves is not lost"


async def test_a_ramp_claims_its_lane_only_a_moment_ahead(database: Database) -> None:
    world = World.on(database)
    await world.accept(*(new_job() for _ in range(40)))
    taken = await take(world, [(Scope(ORGANIZATION, INSTANCE, CAMPAIGN), allowed(0.5))])
    slots = [job.slot_in for job in taken]
    assert slots == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1], abs=1e-3), "80 a second stand for no gap"
    (due,) = await world.queue.due_scopes(scopes=10)
    assert due.slot_in < due.ramp_in, "others find the lane free before the ramp does"


async def test_a_canary_is_counted_by_all_executors_together(database: Database) -> None:
    canary = Canary(control_id=uuid7(), sends=7)
    worlds = [World.on(database) for _ in range(3)]
    scopes = [(Scope(ORGANIZATION, INSTANCE, f"c-{n}"), allowed(1.0, canary)) for n in range(3)]
    await worlds[0].accept(*(new_job(campaign_id=f"c-{n % 3}") for n in range(60)))
    for _ in range(5):
        await asyncio.gather(*(take(world, scopes) for world in worlds))
    assert [await worlds[0].sql("SELECT count(*) FROM canary_send")] == [[(7,)]]
    assert list((await worlds[0].states()).values()).count("SENDING") == 7
    other = (Scope(ORGANIZATION, INSTANCE, "c-0"), allowed(1.0, Canary(control_id=uuid7(), sends=2)))
    assert len(await take(worlds[0], [other])) == 2, "another canary is counted on its own"
    assert len(await take(worlds[0], [(scopes[0][0], allowed(1.0))])) > 2, "and its end is what control says it is"


async def test_an_aborted_send_gives_its_place_back_and_outcomes_are_counted(database: Database) -> None:
    world = World.on(database)
    counts, canary = PostgresCounts(database), Canary(control_id=uuid7(), sends=5)
    scope = [(Scope(ORGANIZATION, INSTANCE, CAMPAIGN), allowed(1.0, canary))]
    await world.accept(*(new_job() for _ in range(20)))
    assert await figures(counts, canary.control_id) == (0, 0, 0)
    taken = await take(world, scope)
    assert len(taken) == 5
    assert await figures(counts, canary.control_id) == (5, 0, 0)
    outcomes: list[Outcome | None] = [Sent(provider_message_id="w"), Rejected(reason="no"), Unknown(reason="?"), None]
    now = world.clock.now()
    async with world.queue.begin() as tx:
        await tx.apply(
            [
                abort(job.job, reason=Reason.PERMIT_LAPSED, at=now)
                if outcome is None
                else settle(
                    job.job, outcome, timing=Timing(began_at=now, ended_at=now), policy=world.policy, chance=0.0
                )
                for job, outcome in zip(taken, outcomes, strict=False)
            ]
        )
    assert await figures(counts, canary.control_id) == (4, 1, 2)
    assert len(await take(world, scope)) == 1, "one place is free again"
    await world.sql("UPDATE attempt SET delivery = 'FAILED' WHERE outcome = 'SENT'")
    assert await figures(counts, canary.control_id) == (5, 0, 3), "a later failure counts"


async def figures(counts: PostgresCounts, control_id: UUID) -> tuple[int, int, int]:
    count = await counts.canary(control_id)
    return count.sends, count.succeeded, count.failed


async def test_work_is_counted_by_scope(database: Database) -> None:
    world, counts = World.on(database), PostgresCounts(database)
    await world.accept(*(new_job(campaign_id="a") for _ in range(3)), new_job(campaign_id="b"))
    await world.accept(new_job(organization_id="other"), lanes=[replace(LANE, organization_id="other")])
    await take(world, [(Scope(ORGANIZATION, INSTANCE, "a"), allowed(1.0))], jobs=2)
    found = await counts.work(organization_id=ORGANIZATION, instance_id="", campaign_id="")
    assert [(work.scope.campaign_id, work.waiting, work.in_flight) for work in found] == [("a", 1, 2), ("b", 1, 0)]
    assert len(await counts.work(organization_id="", instance_id="", campaign_id="")) == 3
    (only,) = await counts.work(organization_id="", instance_id=INSTANCE, campaign_id="b")
    assert only.scope == Scope(ORGANIZATION, INSTANCE, "b")


async def test_a_hundred_thousand_jobs_are_counted_from_the_index(database: Database) -> None:
    world, counts = World.on(database), PostgresCounts(database)
    await fill(world, CAMPAIGN, instance="ungoverned", jobs=100_000)
    began = world.clock.boottime()
    (work,) = await counts.work(organization_id=ORGANIZATION, instance_id="", campaign_id=CAMPAIGN)
    assert work.waiting == 100_000
    assert world.clock.boottime() - began < 1.0
