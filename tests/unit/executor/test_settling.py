"""What outcomes do to jobs, purely."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.job import Job, parse_attempt_id
from executor.domain.outcome import Backoff, Rejected, Retryable, Sent, Unknown
from executor.domain.permit import Permit
from executor.domain.settling import RetryPolicy, Timing, abort, settle, wait_before_retry
from executor.domain.words import JobState, Reason, SignalKind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMING = Timing(began_at=NOW, ended_at=NOW)


def job(*, tries: int = 1, retry_unknown: bool = False) -> Job:
    return Job(
        organization_id="demo",
        intent_id=UUID(int=7),
        decision_number=1,
        instance_id="i",
        campaign_id="c",
        provider="fake",
        state=JobState.SENDING,
        reason="",
        next_attempt_at=None,
        held_by=(),
        submitted_at=NOW,
        approved_at=NOW,
        approved_until=NOW + timedelta(minutes=10),
        expire_time=NOW + timedelta(days=1),
        retry_unknown=retry_unknown,
        traceparent="",
        attempt=tries,
        tries=tries,
        lease_token=UUID(int=1),
        taken_at=NOW,
        control_version=1,
        platform_version=1,
        created_at=NOW,
    )


@pytest.mark.parametrize(
    ("outcome", "tries", "retry_unknown", "state"),
    [
        (Sent(provider_message_id="w"), 1, False, JobState.SENT),
        (Rejected(reason="RECIPIENT_NEVER"), 1, False, JobState.FAILED),
        (Retryable(reason="RETRY_SOON"), 4, False, JobState.READY),
        (Retryable(reason="RETRY_SOON"), 5, False, JobState.DEAD),
        (Unknown(reason="TIMEOUT"), 1, False, JobState.UNKNOWN),
        (Unknown(reason="TIMEOUT"), 1, True, JobState.READY),
        (Unknown(reason="TIMEOUT"), 5, True, JobState.UNKNOWN),
    ],
    ids=["sent", "rejected", "retryable", "exhausted", "parked", "at least once", "at least once, exhausted"],
)
def test_an_outcome_has_one_state(outcome, tries, retry_unknown, state) -> None:  # type: ignore[no-untyped-def]
    change = settle(
        job(tries=tries, retry_unknown=retry_unknown), outcome, timing=TIMING, policy=RetryPolicy(), chance=0.5
    )
    assert change.state is state
    assert (change.retry_in is not None) == (state is JobState.READY)
    assert change.facts


@given(
    tries=st.integers(1, 100),
    chance=st.floats(0, 1, exclude_max=True),
    first=st.floats(0.1, 100),
    growth=st.floats(1, 100),
    retry_after=st.none() | st.floats(-10, 1e9),
)
def test_waits_are_jittered_and_capped_and_heed_the_provider(
    tries: int, chance: float, first: float, growth: float, retry_after: float | None
) -> None:
    backoff = Backoff(first=first, cap=first * growth)
    wait = wait_before_retry(backoff=backoff, tries=tries, retry_after=retry_after, chance=chance)
    if retry_after is None:
        assert 0 <= wait <= backoff.cap
    else:
        assert min(max(retry_after, 0), 3600) <= wait <= 3600 or wait == 3600


def test_full_jitter_doubles_its_ceiling_each_try() -> None:
    backoff = Backoff(first=2.0, cap=300.0)
    waits = [
        wait_before_retry(backoff=backoff, tries=tries, retry_after=None, chance=0.999999) for tries in range(1, 12)
    ]
    assert waits == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], rel=1e-4)


def test_an_aborted_send_costs_no_try_and_is_ready_at_once() -> None:
    change = abort(job(tries=3), reason=Reason.PERMIT_LAPSED, at=NOW)
    assert (change.state, change.tries, change.retry_in) == (JobState.READY, 2, 0.0)
    assert change.attempt is not None
    assert change.attempt.began_at is None


def test_signals_go_with_the_class() -> None:
    spam = Retryable(reason="SPAM_LIMIT", provider_code="131048", signal=SignalKind.SPAM_LIMIT)
    change = settle(job(), spam, timing=TIMING, policy=RetryPolicy(), chance=0.5)
    assert [(signal.kind, signal.code) for signal in change.signals] == [(SignalKind.SPAM_LIMIT, "131048")]
    opted_out = Rejected(reason="OPTED_OUT", provider_code="131050", signal=SignalKind.OPTED_OUT)
    change = settle(job(), opted_out, timing=TIMING, policy=RetryPolicy(), chance=0.5)
    assert [(signal.kind, signal.about_intent) for signal in change.signals] == [
        (SignalKind.FAILED, True),
        (SignalKind.OPTED_OUT, True),
    ]


def test_a_permit_counts_from_before_the_question_and_ends_a_guard_early() -> None:
    permit = Permit(asked_at=100.0, ttl=0.5, guard=0.05)
    assert permit.holds(100.449)
    assert not permit.holds(100.45)
    assert permit.horizon(100.1) == pytest.approx(0.15)
    assert permit.horizon(100.4) == 0.0


@pytest.mark.parametrize("ttl", [0.0, -0.1, 5.1, float("nan"), float("inf")])
def test_no_permit_without_a_sensible_ttl(ttl: float) -> None:
    with pytest.raises(ValueError, match="permit"):
        Permit(asked_at=0.0, ttl=ttl, guard=0.05)


@given(st.text(max_size=80))
def test_any_callback_data_is_read_or_refused(text: str) -> None:
    parsed = parse_attempt_id(text)
    assert parsed is None or parsed[1] >= 0


def test_an_attempt_id_reads_back() -> None:
    assert parse_attempt_id(f"{UUID(int=7)}.12") == (UUID(int=7), 12)
