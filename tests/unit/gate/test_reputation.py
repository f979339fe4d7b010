"""Cooldowns: statistics instead of bare shares, and escalation."""

from datetime import timedelta

import pytest
from tests.unit.gate.cases import NOW

from gate.domain.policy import DEFAULT_FAILURE_THRESHOLD, Policy
from gate.domain.reputation import CooldownReason, is_failing, next_cooldown, wilson_lower_bound


@pytest.mark.parametrize(
    ("failures", "sends", "failing"),
    [(2, 10, False), (20, 199, False), (19, 200, False), (21, 200, False), (40, 200, True), (150, 1000, True)],
)
def test_a_share_is_judged_by_what_it_is_at_least(failures: int, sends: int, failing: bool) -> None:
    assert is_failing(failures, sends, DEFAULT_FAILURE_THRESHOLD) is failing


def test_the_lower_bound_is_wilsons() -> None:
    assert wilson_lower_bound(10, 100) == pytest.approx(0.0552, abs=1e-4)
    assert wilson_lower_bound(0, 0) == 0.0
    assert wilson_lower_bound(5, 5) < 1.0


def test_cooldowns_escalate_within_seven_days() -> None:
    starts = [NOW - timedelta(days=8), NOW - timedelta(days=6), NOW - timedelta(days=1)]
    cooldown = next_cooldown(reason=CooldownReason.SPAM_LIMIT, policy=Policy(), earlier_starts=starts, now=NOW)
    assert (cooldown.level, cooldown.end_time - NOW) == (3, timedelta(hours=12))
    many = next_cooldown(reason=CooldownReason.SPAM_LIMIT, policy=Policy(), earlier_starts=[NOW] * 9, now=NOW)
    assert (many.level, many.end_time - NOW) == (4, timedelta(hours=24))
