"""What a batch adds to the numbers, against counting one event at a time."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.domain.arrival import Arrival, Measurement, Reading, Refused, ScopeMark, sort_out
from audit.domain.event import EventType
from audit.domain.metrics import Sum as KeptSum
from audit.domain.metrics import Window, count, of_organization, window_start
from audit.domain.rollup import full_span_from, minute_of, roll_up

T = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
_numbers = itertools.count()


def arrival(**fields: object) -> Arrival:
    """Make an event that is ready to be stored."""
    standard: dict[str, object] = {
        "event_id": f"{next(_numbers):08d}",
        "organization_id": "acme",
        "aggregate_type": "INTENT",
        "aggregate_id": "i",
        "sequence": 1,
        "type": EventType.MESSAGE_SENT,
        "instance_id": "a",
        "campaign_id": "c",
        "reason": "",
        "occurred_at": T,
        "recorded_at": T,
        "clamped": False,
        "producer": "executor",
        "trace_id": "",
        "actor": "",
        "body": b"",
    }
    return Arrival(**(standard | fields))  # type: ignore[arg-type]


arrivals = st.lists(
    st.builds(
        arrival,
        type=st.sampled_from([EventType.MESSAGE_SENT, EventType.MESSAGE_QUEUED, EventType.BACKLOG_MEASURED]),
        instance_id=st.sampled_from(["a", "b"]),
        reason=st.sampled_from(["", "PACE"]),
        occurred_at=st.integers(0, 200).map(lambda seconds: T - timedelta(seconds=seconds)),
        since_approval=st.none() | st.integers(0, 300_000_000),
        reading=st.none()
        | st.builds(Reading, st.sampled_from(["DAILY", "HOURLY"]), st.integers(0, 9).map(float), st.just(9.0)),
    ),
    max_size=40,
)


@given(arrivals)
def test_counts_equal_those_of_single_events(batch: list[Arrival]) -> None:
    counted = Counter(
        (minute_of(one.occurred_at), one.instance_id, one.type.value, one.reason)
        for one in batch
        if one.type is not EventType.BACKLOG_MEASURED
    )
    rollup = roll_up(batch)
    assert {
        (one.key.minute, one.key.instance_id, one.key.event_type, one.key.reason): one.events for one in rollup.counts
    } == counted
    measured = [one.since_approval for one in batch if one.type is EventType.MESSAGE_SENT]
    told = [microseconds for microseconds in measured if microseconds is not None]
    assert sum(one.since_approval.count for one in rollup.counts) == len(told)
    assert sum(one.since_approval.total_us for one in rollup.counts) == sum(told)


@given(arrivals)
def test_everything_comes_in_the_order_of_locking(batch: list[Arrival]) -> None:
    rollup = roll_up(batch)
    assert [one.key for one in rollup.counts] == sorted(one.key for one in rollup.counts)
    assert [one.key for one in rollup.peaks] == sorted(one.key for one in rollup.peaks)


@given(arrivals)
def test_the_highest_reading_of_a_minute_does_not_depend_on_order(batch: list[Arrival]) -> None:
    assert roll_up(batch).peaks == roll_up(batch[::-1]).peaks


def test_a_batch_is_sorted_and_identical_repeats_vanish_while_unlike_ones_are_set_aside() -> None:
    later, earlier = arrival(event_id="b", body=b"1"), arrival(event_id="a", body=b"2")
    forged = arrival(event_id="b", body=b"other")
    poison = Refused(
        position=9, event_id="", reason="INVALID_FIELD", message="", body=b"?", peer="executor", recorded_at=T
    )
    batch = sort_out([later, earlier, later, poison, forged])
    assert batch.arrivals == (earlier, later)
    assert [(one.item_id, one.reason) for one in batch.refused] == [
        ("#9", "INVALID_FIELD"),
        ("b", "CONFLICTING_DUPLICATE"),
    ]


def test_a_pause_whose_end_comes_first_gets_its_beginning() -> None:
    began, ended = T - timedelta(hours=1), T
    end = arrival(scope=ScopeMark("p", "CAMPAIGN", "c", T - timedelta(minutes=1), ended), event_id="2")
    begin = arrival(scope=ScopeMark("p", "CAMPAIGN", "c", began, None), event_id="1")
    (interval,) = roll_up([end, begin]).intervals
    assert (interval.mark.began_at, interval.mark.ended_at, set(interval.event_ids)) == (began, ended, {"1", "2"})


def test_the_newest_backlog_of_each_service_stays() -> None:
    old = arrival(type=EventType.BACKLOG_MEASURED, occurred_at=T - timedelta(seconds=9), backlog=Measurement(7, None))
    new = arrival(type=EventType.BACKLOG_MEASURED, backlog=Measurement(3, None))
    (reading,) = roll_up([new, old]).backlogs
    assert (reading.waiting, reading.measured_at) == (3, T)


def test_a_window_begins_with_a_full_minute_and_rates_divide_by_its_real_length() -> None:
    start = window_start(60, T)
    assert start == datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
    assert Window(start=start, end=T).per_hour(121) == 121 * 60 / 60.5


@pytest.mark.parametrize(
    ("minutes", "moment", "expected"),
    [
        (10, "2026-03-02T23:51", "2026-03-03T00:00"),
        (10, "2026-03-02T23:50", "2026-03-02T23:50"),
        (60, "2026-03-02T23:01", "2026-03-03T00:00"),
        (60, "2026-03-02T05:00", "2026-03-02T05:00"),
        (1_440, "2026-03-02T05:00", "2026-03-03T00:00"),
        (1_440, "2026-03-02T00:00", "2026-03-02T00:00"),
    ],
)
def test_a_full_span_begins_at_the_moment_itself_or_next(minutes: int, moment: str, expected: str) -> None:
    found = full_span_from(datetime.fromisoformat(moment).replace(tzinfo=UTC), minutes)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_saturation_of_an_organization_is_the_sum_over_its_instances() -> None:
    sums = [
        KeptSum(instance_id="a", event_type=EventType.MESSAGE_SENT, reason="", events=3),
        KeptSum(instance_id="b", event_type=EventType.MESSAGE_SENT, reason="", events=1),
        KeptSum(instance_id="c", event_type=EventType.MESSAGE_BLOCKED, reason="OPTED_OUT", events=2),
    ]
    peaks = {"a": Reading("DAILY", 50, 100), "b": Reading("HOURLY", 9, 10), "": Reading("PORTFOLIO", 1, 1)}
    metrics = of_organization(Window(start=T - timedelta(hours=1), end=T), sums, peaks, [])
    assert metrics.saturation == Reading("HOURLY", 59, 110)
    assert metrics.most_saturated_instance_id == "b"
    assert [(share.instance_id, share.sent, share.share) for share in metrics.shares] == [
        ("a", 3, 0.75),
        ("b", 1, 0.25),
        ("c", 0, 0.0),
    ]


def test_a_limit_of_zero_is_full_and_no_limit_is_empty() -> None:
    assert Reading("DAILY", 0, 0).ratio == 1.0
    assert Reading("", 0, 0).ratio == 0.0


def test_reasons_come_most_frequent_first() -> None:
    sums = [
        KeptSum(instance_id=instance, event_type=EventType.MESSAGE_BLOCKED, reason=reason, events=events)
        for instance, reason, events in [("a", "OPTED_OUT", 1), ("b", "OPTED_OUT", 2), ("a", "OPS_PAUSED", 5)]
    ]
    assert count(sums).blocked_by_reason == (("OPS_PAUSED", 5), ("OPTED_OUT", 3))
