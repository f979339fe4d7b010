"""Points in time and parts by instance or campaign equal a recount of the raw events within their bounds."""

from datetime import timedelta

import pytest
from tests.stores.audit.facts import NOW, StillClock
from tests.stores.audit.recounting import check_percentiles, highest, raw_events, recount, times_since

from audit.application.measure import Breakdown, measure_parts, measure_series
from audit.domain.event import EventType
from audit.domain.series import Steps
from audit.infrastructure.postgres_sums import PostgresSums
from chassis.database import Database


@pytest.mark.parametrize(
    ("window", "step", "instance_id", "campaign_id"),
    [
        (5, 1, "", ""),
        (60, 7, "inst-sp-1", ""),
        (1_440, 10, "", "welcome"),
        (44_640, 180, "inst-sp-2", "welcome"),
        (44_640, 1_440, "", ""),
        (60, 44_640, "", ""),
    ],
)
async def test_every_point_equals_a_recount_and_nothing_lies_between_them(
    filled: Database, window: int, step: int, instance_id: str, campaign_id: str
) -> None:
    points = await measure_series(
        organization_id="acme",
        instance_id=instance_id,
        campaign_id=campaign_id,
        steps=Steps(window=window, step=step),
        sums=PostgresSums(filled),
        clock=StillClock(),
    )
    events = [
        one
        for one in await raw_events(filled)
        if instance_id in {"", one[0].instance_id} and campaign_id in {"", one[0].campaign_id}
    ]
    assert points[0].window.start <= NOW.replace(second=0) - timedelta(minutes=window)
    assert points[-1].window.end == NOW
    assert [point.window.end for point in points[:-1]] == [point.window.start for point in points[1:]]
    counted = 0
    for point in points:
        last = point is points[-1]
        start, end = point.window.start, point.window.end
        inside = [one for one in events if start <= one[1] < end or (last and one[1] == end)]
        counted += len(inside)
        expected = recount(inside)
        assert (point.numbers.volume, point.numbers.cooldowns_triggered) == (
            expected.volume,
            expected.cooldowns_triggered,
        )
        assert point.numbers.from_approval == expected.from_approval
        assert point.numbers.from_submission == expected.from_submission
    assert counted > 5


@pytest.mark.parametrize("by", Breakdown)
@pytest.mark.parametrize("minutes", [60, 44_640])
async def test_every_part_equals_a_recount(filled: Database, by: Breakdown, minutes: int) -> None:
    found = await measure_parts(
        organization_id="acme", by=by, minutes=minutes, most=50, sums=PostgresSums(filled), clock=StillClock()
    )
    events = [one for one in await raw_events(filled) if found.window.start <= one[1] <= found.window.end]
    field = f"{by.lower()}_id"
    assert {part.id for part in found.parts} == {getattr(event, field) for event, _ in events}
    assert found.total == len(found.parts)
    for part in found.parts:
        own = [one for one in events if getattr(one[0], field) == part.id]
        expected = recount(own)
        assert (part.numbers.volume, part.numbers.cooldowns_triggered) == (
            expected.volume,
            expected.cooldowns_triggered,
        )
        check_percentiles(part.numbers.from_approval, times_since("approved_at", own))
        assert part.saturation is not None
        assert (part.saturation.ratio, part.saturation.used, part.saturation.limit) == highest(own)
    sent = [part.numbers.volume[EventType.MESSAGE_SENT] for part in found.parts]
    assert sent == sorted(sent, reverse=True)


async def test_only_those_that_sent_most_come_but_all_are_counted(filled: Database) -> None:
    async def parts(most: int) -> list[str]:
        found = await measure_parts(
            organization_id="acme",
            by=Breakdown.INSTANCE,
            minutes=60,
            most=most,
            sums=PostgresSums(filled),
            clock=StillClock(),
        )
        assert found.total == 3
        return [part.id for part in found.parts]

    assert await parts(2) == (await parts(3))[:2]
