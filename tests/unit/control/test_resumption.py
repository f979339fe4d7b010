"""How the pace grows after a resume, what overlapping resumptions come to, and when a canary has failed."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.control.memory import START, TTL_MAX, order

from control.domain.coverage import Coverage, Sending
from control.domain.etag import Etag
from control.domain.pace import FULL, CanaryLimit, Pace, pace_of, rate_factor
from control.domain.pause import PLATFORM, Pause, Scope
from control.domain.resumption import (
    AFTER_CANARY,
    Canary,
    CanaryCount,
    CanaryFailure,
    Immediate,
    Plan,
    Ramp,
    Resumption,
    ResumptionState,
)
from control.domain.work import MOST_LISTED, ScopedWork, Work, blast_radius
from kernel.ids import ControlId, OrganizationId, uuid7

SENDING = Sending("demo", "sp-1", "welcome")
seconds = st.floats(0, 4000, allow_nan=False).map(lambda value: timedelta(seconds=value))
ramps = st.builds(
    Ramp,
    from_share=st.floats(0, 1, exclude_min=True),
    duration=st.floats(1, 3600).map(lambda value: timedelta(seconds=value)),
)


def resumed(plan: Plan, *, after: timedelta = timedelta(0), **values: object) -> Pause:
    begun = Pause.begin(order(**values), control_id=ControlId(uuid7()), version=1, ttl_max=TTL_MAX, at=START + after)
    return begun.resume(version=2, at=START + after, by="ana", reason="fixed", request_id="go-1", plan=plan)


@given(ramps, seconds, seconds)
def test_a_ramp_only_grows_and_stays_within_its_bounds(ramp: Ramp, one: timedelta, other: timedelta) -> None:
    resumption = Resumption.begin(ramp, START)
    early, late = sorted((one, other))

    assert ramp.from_share <= resumption.factor(START + early) <= resumption.factor(START + late) <= 1


@given(ramps, seconds)
def test_a_ramp_begins_at_its_share_and_is_complete_at_its_end(ramp: Ramp, later: timedelta) -> None:
    resumption = Resumption.begin(ramp, START)

    assert resumption.factor(START) == ramp.from_share
    assert resumption.factor(START - later) == resumption.factor(START)
    assert resumption.factor(START + ramp.duration + later) == 1
    assert resumption.state(START + ramp.duration) is ResumptionState.COMPLETE
    assert resumption.state(START + ramp.duration / 2) is ResumptionState.RAMPING
    assert resumption.factor(START + ramp.duration / 2) == pytest.approx((1 + ramp.from_share) / 2)


@given(st.lists(st.tuples(ramps, seconds), max_size=6), seconds)
def test_the_slowest_of_overlapping_ramps_counts(begun: Sequence[tuple[Ramp, timedelta]], later: timedelta) -> None:
    at = START + later
    scopes: list[dict[str, object]] = [
        {},
        {"scope": Scope.INSTANCE, "target": "sp-1"},
        {"scope": Scope.ORGANIZATION, "target": ""},
        {"scope": Scope.PLATFORM, "target": "", "organization_id": PLATFORM},
    ]
    pauses = [resumed(ramp, after=after, **scopes[at_ % 4]) for at_, (ramp, after) in enumerate(begun)]
    elsewhere = [
        resumed(Ramp(from_share=0.000001), target="spring"),
        resumed(Ramp(from_share=0.000001), organization_id=OrganizationId("other")),
    ]

    factor = rate_factor(Coverage([*pauses, *elsewhere]), SENDING, at)

    assert 0 < factor <= 1
    assert factor == min((pause.resumption.factor(at) for pause in pauses if pause.resumption), default=1)


def test_what_no_resumption_covers_is_at_full_pace() -> None:
    assert pace_of(Coverage([resumed(Ramp(), target="spring")]), SENDING, START) is FULL
    assert Resumption.begin(Immediate(), START).factor(START) == 1
    assert Resumption.begin(Immediate(), START).state(START) is ResumptionState.COMPLETE


def test_the_oldest_running_canary_limits_and_a_ramp_slows_beside_it() -> None:
    second = resumed(Canary(sends=5), after=timedelta(seconds=1), scope=Scope.ORGANIZATION, target="")
    first = resumed(Canary(sends=20))
    passed = resumed(Canary(sends=1)).pass_canary(version=3, at=START)

    pace = pace_of(Coverage([second, first, passed]), SENDING, START)

    assert pace == Pace(rate_factor=0.1, canary=CanaryLimit(control_id=first.control_id, sends=20))


def test_a_canary_that_passed_goes_on_along_the_default_ramp_from_then() -> None:
    later = START + timedelta(minutes=5)
    running = Resumption.begin(Canary(sends=20), START)
    passed = running.pass_canary(later)

    assert (running.state(later), running.full_pace_at, running.settled_at) == (ResumptionState.CANARY, None, None)
    assert passed.factor(later) == AFTER_CANARY.from_share
    assert (passed.full_pace_at, passed.settled_at) == (later + AFTER_CANARY.duration, later)


def test_a_canary_passes_or_fails_once() -> None:
    failure = CanaryFailure(at=START, control_id=ControlId(uuid7()))
    running = Resumption.begin(Canary(sends=20), START)
    assert running.fail_canary(failure).state(START) is ResumptionState.FAILED
    for settled in (running.pass_canary(START), running.fail_canary(failure), Resumption.begin(Ramp(), START)):
        with pytest.raises(ValueError, match="no canary runs"):
            settled.pass_canary(START)
        with pytest.raises(ValueError, match="no canary runs"):
            settled.fail_canary(failure)


@pytest.mark.parametrize(
    ("share", "sends", "failed", "expected"),
    [
        (0.0, 20, 0, False),
        (0.0, 20, 1, True),
        (0.05, 20, 1, False),
        (0.05, 20, 2, True),
        (0.29, 100, 29, False),
        (0.29, 100, 30, True),
        (0.999, 1000, 999, False),
        (0.999, 1000, 1000, True),
    ],
)
def test_a_canary_fails_by_more_than_its_share_of_all_sends(
    share: float, sends: int, failed: int, expected: bool
) -> None:
    canary = Canary(sends=sends, max_failure_share=share)
    assert canary.has_failed(CanaryCount(sends=failed, succeeded=0, failed=failed)) is expected


@given(st.integers(1, 50), st.data())
def test_a_canary_is_complete_when_every_send_has_its_outcome(sends: int, data: st.DataObject) -> None:
    taken = data.draw(st.integers(0, sends))
    failed = data.draw(st.integers(0, taken))
    succeeded = data.draw(st.integers(0, taken - failed))

    complete = Canary(sends=sends).is_complete(CanaryCount(sends=taken, succeeded=succeeded, failed=failed))

    assert complete is (succeeded + failed == sends)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Ramp(from_share=0),
        lambda: Ramp(from_share=1.01),
        lambda: Ramp(from_share=float("nan")),
        lambda: Ramp(duration=timedelta(0)),
        lambda: Canary(sends=0),
        lambda: Canary(sends=1, watch=timedelta(seconds=-1)),
        lambda: Canary(sends=1, max_failure_share=1),
        lambda: Canary(sends=1, max_failure_share=float("nan")),
        lambda: Resumption(plan=Ramp(), full_pace_at=None),
        lambda: Resumption(plan=Immediate(), full_pace_at=None),
    ],
)
def test_what_makes_no_sense_cannot_be_built(build: object) -> None:
    with pytest.raises(ValueError, match=r"a ramp|a canary"):
        build()  # type: ignore[operator]


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
def test_an_etag_is_read_back_as_it_was_written(organization: int, platform: int) -> None:
    etag = Etag(organization_version=organization, platform_version=platform)
    assert Etag.parse(str(etag)) == etag


@pytest.mark.parametrize(
    "text", ["", "v", "1.0", "v1", "v1.", "v.1", "v1.0.0", " v1.0", "v1.0\n", "V1.0", "v-1.0", "v1e3.0"]
)
def test_what_is_no_etag_is_not_read(text: str) -> None:
    assert Etag.parse(text) is None


def test_an_etag_tells_which_pauses_began_after_it() -> None:
    etag = Etag(organization_version=5, platform_version=2)

    def begun(version: int, **values: object) -> Pause:
        pause = Pause.begin(order(**values), control_id=ControlId(uuid7()), version=version, ttl_max=TTL_MAX, at=START)
        return pause.fence(version=version + 10, at=START)

    everything: dict[str, object] = {"organization_id": PLATFORM, "scope": Scope.PLATFORM, "target": ""}
    assert not etag.precedes(begun(5))
    assert etag.precedes(begun(6))
    assert not etag.precedes(begun(2, **everything))
    assert etag.precedes(begun(3, **everything))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["", "i1", "i2"]),
            st.sampled_from(["c1", "c2", "c3"]),
            st.integers(0, 50),
            st.integers(0, 50),
            st.integers(0, 50),
        )
    )
)
def test_a_blast_radius_adds_up_and_lists_the_largest_first(rows: list[tuple[str, str, str, int, int, int]]) -> None:
    counts = [
        ScopedWork(
            organization_id=organization,
            instance_id=instance,
            campaign_id=campaign,
            work=Work(intents=intents, jobs=jobs, in_flight=in_flight),
        )
        for organization, instance, campaign, intents, jobs, in_flight in rows
    ]
    radius = blast_radius(counts)

    assert radius.total == sum((count.work for count in counts), Work())
    for parts in (radius.campaigns, radius.instances):
        assert sum((work for _, _, work in parts), Work()) == radius.total
        sizes = [work.total for _, _, work in parts]
        assert sizes == sorted(sizes, reverse=True)
        assert 0 not in sizes
        assert len({part[:2] for part in parts}) == len(parts)


def test_a_blast_radius_lists_a_hundred_and_counts_all() -> None:
    counts = [
        ScopedWork(organization_id="a", instance_id="", campaign_id=f"c{number}", work=Work(jobs=number))
        for number in range(1, 151)
    ]
    radius = blast_radius(counts)

    assert [name for _, name, _ in radius.campaigns][:2] == ["c150", "c149"]
    assert (len(radius.campaigns), radius.total.jobs) == (MOST_LISTED, sum(range(1, 151)))
