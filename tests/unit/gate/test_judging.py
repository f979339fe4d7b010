"""A batch: what is alike shares one decision, and nobody's decision is another than it would have been alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gate.cases import NOW, ORGANIZATION, instance

from gate.application.judging import Bench
from gate.application.messages import Message
from gate.application.ports import ContentKey, Organization, RecipientFacts
from gate.domain.decision import Decision
from gate.domain.facts import Controls, Cooldown, Pause, Scope
from gate.domain.policy import Policy
from gate.domain.quiet_hours import QuietHours, Window
from gate.domain.schedule import Schedule
from gate.domain.words import Category, Outcome
from kernel.ids import uuid7

STOPPED = b"asked to stop"
CAMPAIGNS = ("welcome", "paused")
SCOPES = frozenset(
    {*(Scope(ORGANIZATION, "", name) for name in CAMPAIGNS), *(Scope(ORGANIZATION, f"inst-{n}", "") for n in (1, 2))}
)
CONTROLS = Controls(asked=SCOPES, pauses={Scope(ORGANIZATION, "", "paused"): Pause(until=None, note="stop")})
NIGHT = QuietHours(weekdays=Window(start=540, end=695), saturdays=None, sundays=None)


def message(**values: Any) -> Message:
    given: dict[str, Any] = {
        "organization_id": ORGANIZATION,
        "intent_id": uuid7(),
        "request_id": "r-1",
        "campaign_id": "welcome",
        "asked_instance_id": "inst-1",
        "category": Category.UTILITY,
        "utc_offset": -3,
        "reference": "",
        "hold_if_paused": False,
        "expire_time": NOW + timedelta(days=7),
        "number_hash": uuid4().bytes,
        "recipient_id": uuid4(),
        "content_digest": b"hello",
        "content_hash": b"",
        "sealed": b"x",
        "traceparent": "",
        "submitted_at": NOW,
    }
    return Message(**{**given, **values})


def organization(policy: Policy) -> Organization:
    cooling = Cooldown(reason="SPAM_LIMIT", level=1, start_time=NOW, end_time=NOW + timedelta(minutes=30))
    instances = (instance("inst-1", schedule=Schedule(tat=5)), instance("inst-2", cooldown=cooling))
    return Organization(
        organization_id=ORGANIZATION,
        policy=policy,
        policy_version=1,
        lane_version=1,
        instances={one.instance_id: one for one in instances},
    )


def bench(known: Organization, accepted: set[ContentKey] | None = None) -> Bench:
    return Bench(
        organizations={ORGANIZATION: known},
        controls=CONTROLS,
        recipients={(ORGANIZATION, STOPPED): RecipientFacts(recipient_id=UUID(int=1), suppressed=True, made=False)},
        contents={},
        now=NOW,
        accepted_contents=accepted if accepted is not None else set(),
    )


_VALUES: dict[str, Sequence[Any]] = {
    "campaign_id": CAMPAIGNS,
    "asked_instance_id": ("inst-1", "inst-2", "", "not registered"),
    "category": (Category.MARKETING, Category.UTILITY),
    "utc_offset": (-3, -5),
    "hold_if_paused": (False, True),
    "expire_time": (NOW + timedelta(days=7), NOW + timedelta(minutes=1), NOW),
    "number_hash": (b"1", b"2", b"3", STOPPED, None),
    "content_digest": (b"hello", b"bye"),
}


@st.composite
def _batches(draw: st.DrawFn) -> list[Message]:
    """Make messages that differ from the first in one thing, or in none."""
    common = {name: draw(st.sampled_from(values)) for name, values in _VALUES.items()}
    changed = draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=12))
    return [
        message(**common),
        *(message(**{**common, name: draw(st.sampled_from(_VALUES[name]))}) for name in changed),
    ]


_policies = st.builds(Policy, hourly_cap=st.sampled_from((None, None, 2)), quiet_hours=st.sampled_from((None, NIGHT)))


@settings(max_examples=200, deadline=None)
@given(_policies, _batches())
def test_a_batch_decides_each_as_it_would_be_decided_alone(policy: Policy, messages: list[Message]) -> None:
    together, apart = organization(policy), organization(policy)
    accepted: set[ContentKey] = set()
    batch = bench(together)
    for one in messages:
        assert _said(batch.judge(one)) == _said(bench(apart, accepted).judge(one))
    assert together == apart


def test_without_limits_what_is_alike_is_decided_once() -> None:
    batch = bench(organization(Policy()))
    first, second = batch.judge(message()), batch.judge(message())
    assert first.outcome is Outcome.APPROVED
    assert second is first


@pytest.mark.parametrize("other", [{"category": Category.UTILITY}, {"utc_offset": -5}, {"organization_id": "zen"}])
def test_what_is_not_alike_has_a_decision_of_its_own(other: dict[str, Any]) -> None:
    batch = bench(organization(Policy(quiet_hours=NIGHT)))
    batch.organizations = {**batch.organizations, "zen": organization(Policy())}
    quiet = {"category": Category.MARKETING}
    first, second = batch.judge(message(**quiet)), batch.judge(message(**{**quiet, **other}))
    assert (first.outcome, first.approved_until) != (second.outcome, second.approved_until)


def test_what_counts_against_a_limit_is_decided_one_by_one() -> None:
    batch = bench(organization(Policy(hourly_cap=5)))
    used = [decision.tightest_limit.used for _ in range(3) if (decision := batch.judge(message())).tightest_limit]
    assert used == [1, 2, 3]


def _said(decision: Decision) -> tuple[Decision, int | None]:
    """Return a decision, and of its slot the time alone: what was before it differs among slots that take no time."""
    return replace(decision, slot=None), decision.slot.at if decision.slot is not None else None
