"""The order of a timeline, whatever order its events arrived in."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from audit.domain.answer import Standing
from audit.domain.event import Attempt, Decision, Event, EventType, Note, Pause
from audit.domain.timeline import MOST_PENDING, Read, Recorded, Timeline, surroundings
from audit.domain.timeline import assemble as assemble_reads

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def recorded(kind: str, sequence: int, at: float, **fields: object) -> Recorded:
    """Make a stored event, `at` seconds after T."""
    event = Event(
        event_id=f"{kind}-{sequence:04d}",
        type=EventType(kind),
        occurred_at=T + timedelta(seconds=at),
        sequence=sequence,
        **fields,  # type: ignore[arg-type]
    )
    return Recorded(event=event, body=b"", recorded_at=T)


def assemble(own: list[Recorded], around: list[Recorded], *, now: datetime, whole: bool = True) -> Timeline:
    """Assemble what was read whole, or of a long life the two ends."""
    return assemble_reads(Read(events=own, whole=whole), Read(events=around), now=now)


APPROVED = recorded("MESSAGE_APPROVED", 1, 0, instance_id="inst-sp-1", campaign_id="c", detail=Decision())
STARTED = recorded("MESSAGE_SEND_STARTED", 2, 2, instance_id="inst-sp-1", detail=Attempt(number=1))
# The executor's clock went back between the two.
SENT = recorded("MESSAGE_SENT", 3, 1, instance_id="inst-sp-1", detail=Attempt(number=1))
LIFE = [APPROVED, STARTED, SENT]
LONG_BEFORE = recorded("EXECUTION_PAUSED", 0, -5_000, aggregate_id="p", detail=Pause(scope="CAMPAIGN", target="c"))
BETWEEN = recorded("EXECUTION_RESUMED", 0, 1.5, aggregate_id="p", detail=Pause(scope="CAMPAIGN", target="c"))
AFTER = recorded("INSTANCE_COOLDOWN_ENDED", 0, 90, aggregate_id="inst-sp-1")


@given(st.permutations(LIFE), st.permutations([LONG_BEFORE, BETWEEN, AFTER]))
def test_own_events_go_by_sequence_and_context_by_time(own: list[Recorded], around: list[Recorded]) -> None:
    timeline = assemble(own, around, now=T)
    assert [entry.recorded for entry in timeline.entries] == [LONG_BEFORE, APPROVED, BETWEEN, STARTED, SENT, AFTER]
    assert [entry.context for entry in timeline.entries] == [True, False, True, False, False, True]
    assert timeline.standing is Standing.SENT
    assert (timeline.campaign_id, timeline.instance_id) == ("c", "inst-sp-1")


def test_time_since_the_entry_before_is_counted_from_own_entries_and_never_negative() -> None:
    timeline = assemble(LIFE, [LONG_BEFORE, BETWEEN], now=T)
    assert [entry.since_previous and entry.since_previous.total_seconds() for entry in timeline.entries] == [
        None,
        None,
        1.5,
        2.0,
        timedelta(0),
    ]


@given(st.sets(st.integers(1, 60), min_size=1))
def test_gaps_in_the_sequence_are_pending(arrived: set[int]) -> None:
    own = [recorded("MESSAGE_HELD", sequence, sequence) for sequence in arrived]
    expected = sorted(set(range(1, max(arrived))) - arrived)
    assert list(assemble(own, [], now=T).pending_sequences) == expected


def test_an_absurd_sequence_does_not_make_an_endless_list() -> None:
    assert len(assemble([recorded("MESSAGE_HELD", 2**31 - 1, 0)], [], now=T).pending_sequences) == MOST_PENDING


def test_what_is_left_out_of_a_long_life_is_no_gap() -> None:
    numbers = [1, 2, 4, *range(2**31 - 20, 2**31 - 1)]
    own = [recorded("MESSAGE_HELD", number, place) for place, number in enumerate(numbers)]
    timeline = assemble(own, [], now=T, whole=False)
    assert timeline.omitted == (5, 2**31 - 21)
    assert timeline.pending_sequences == (3,)
    assert assemble(own, [], now=T).omitted is None


def test_an_own_event_without_a_number_goes_by_time_and_is_no_context() -> None:
    note = recorded("MESSAGE_OUTCOME_RESOLVED", 0, 0.5, detail=Note())
    timeline = assemble([SENT, note, APPROVED, STARTED], [], now=T)
    assert [entry.recorded for entry in timeline.entries] == [APPROVED, note, STARTED, SENT]
    assert not any(entry.context for entry in timeline.entries)


def test_surroundings_end_when_nothing_can_stop_it_any_more() -> None:
    now = T + timedelta(days=1)
    around = surroundings(LIFE, created_at=T - timedelta(seconds=1), now=now)
    assert (around.start, around.end) == (T - timedelta(seconds=1), SENT.event.occurred_at)
    assert (around.instance_ids, around.campaign_ids) == (("inst-sp-1",), ("c",))
    assert surroundings([APPROVED], created_at=T, now=now).end == now
