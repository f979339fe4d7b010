"""The fate of a message: the same on every run, and in the shares the profile asks for."""

from collections import Counter

import pytest

from simulator.fate import Answer, StatusName, draw, draw_fate
from simulator.profile import Profile, Range, load_profile, read_profile
from simulator.recipients import resolve_recipient

PROFILES = ("clean", "mild", "rough")
RETRYABLE_OR_PERMANENT = {131000, 131016, 2, 131026}


def keys(count: int) -> list[bytes]:
    return [b"0190f000-0000-7000-8000-%012d.1" % number for number in range(count)]


@pytest.mark.parametrize("name", PROFILES)
def test_same_seed_and_attempt_give_the_same_fate(name: str) -> None:
    first = [draw_fate(seed=7, profile=load_profile(name), key=key) for key in keys(300)]
    again = [draw_fate(seed=7, profile=load_profile(name), key=key) for key in reversed(keys(300))]
    assert first == again[::-1]


def test_draws_are_pinned_so_that_runs_replay_across_versions() -> None:
    assert [round(number, 6) for number in draw(seed=1, key=b"intent.1")[:4]] == [
        0.728695,
        0.286113,
        0.996857,
        0.812865,
    ]


def test_another_seed_or_another_attempt_gives_another_fate() -> None:
    mild = load_profile("mild")
    latencies = {draw_fate(seed=seed, profile=mild, key=key).latency for seed in (1, 2) for key in keys(100)}
    assert len(latencies) == 200


def test_mild_profile_stays_within_two_percent_without_spam_limit() -> None:
    mild = load_profile("mild")
    fates = [draw_fate(seed=1, profile=mild, key=key) for key in keys(20_000)]
    failing = sum(any(told.code for told in fate.statuses) for fate in fates if fate.answer.accepts)
    disturbed = sum(fate.answer is not Answer.ACCEPTED for fate in fates)
    assert 0 < disturbed + failing <= 0.02 * len(fates)
    assert {fate.code for fate in fates if fate.answer is Answer.REFUSED} == RETRYABLE_OR_PERMANENT
    assert {fate.answer for fate in fates} == {Answer.ACCEPTED, Answer.REFUSED, Answer.LOST_ANSWER}
    assert all(0.02 <= fate.latency <= 0.08 for fate in fates)
    codes = {told.code for fate in fates for told in fate.statuses}
    assert 131048 not in codes | {refusal.code for refusal in mild.refusals}


def test_rough_profile_has_every_end_and_the_spam_limit() -> None:
    fates = [draw_fate(seed=1, profile=load_profile("rough"), key=key) for key in keys(20_000)]
    assert {fate.answer for fate in fates} == set(Answer)
    refused = [fate for fate in fates if fate.answer is Answer.REFUSED]
    assert {131048, 131056, None} <= {fate.code for fate in refused}
    assert any(fate.http_status == 429 and fate.headers["Retry-After"] for fate in refused if fate.headers)


@pytest.mark.parametrize("name", PROFILES)
def test_every_accepted_message_is_told_of_at_least_once(name: str) -> None:
    profile = load_profile(name)
    for key in keys(5_000):
        statuses = draw_fate(seed=3, profile=profile, key=key).statuses
        named = {told.status for told in statuses}
        assert StatusName.SENT in named or named == {StatusName.FAILED}
        assert all((told.code is not None) == (told.status is StatusName.FAILED) for told in statuses)
        assert all(told.delay >= 0 for told in statuses)


def test_duplicates_and_disorder_follow_their_shares() -> None:
    profile = Profile(
        latency=Range(0, 0),
        sent_delay=Range(0.1, 0.1),
        delivered_delay=Range(1, 1),
        read_share=0,
        duplicate_share=1,
        disorder_share=1,
    )
    told = draw_fate(seed=1, profile=profile, key=b"a.1").statuses
    assert Counter(status.status for status in told) == {StatusName.SENT: 2, StatusName.DELIVERED: 2}
    delays = {status.status: status.delay for status in reversed(told)}
    assert delays[StatusName.DELIVERED] < delays[StatusName.SENT]


@pytest.mark.parametrize(
    "content",
    [
        b'{"latency": {"low": 2, "high": 1}}',
        b'{"latency": {"low": 0, "high": 1}, "garbage_share": 1.5}',
        b'{"latency": {"low": 0, "high": 1}, "garbage_share": 0.6, "lost_answer_share": 0.6}',
        b'{"latency": {"low": 0, "high": 1}, "refusals": [{"share": 0.1}]}',
        b'{"latency": {"low": 0, "high": 1}, "mistyped_share": 0.1}',
        b"{}",
        b"not json",
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_profile(content)


@pytest.mark.parametrize(
    ("recipient", "wa_id"),
    [
        pytest.param("+5531988681276", "553188681276", id="area code 31: short form"),
        pytest.param("5531988681276", "553188681276", id="without a plus"),
        pytest.param("+5511988681276", "5511988681276", id="area code 11 keeps nine digits"),
        pytest.param("+553188681276", "553188681276", id="already short"),
        pytest.param("+14155550123", "14155550123", id="another country"),
    ],
)
def test_wa_id_may_lack_the_ninth_digit(recipient: str, wa_id: str) -> None:
    assert resolve_recipient(seed=1, short_form_share=1, recipient=recipient) == wa_id
    assert resolve_recipient(seed=1, short_form_share=0, recipient=recipient) == recipient.removeprefix("+")
