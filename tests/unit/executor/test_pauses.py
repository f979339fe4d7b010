"""What is known of pauses, purely."""

import pytest

from executor.domain.job import Scope
from executor.domain.pauses import KnownPauses, Pause, PauseScope
from kernel.ids import uuid7

SCOPE = Scope("demo", "inst-1", "welcome")


def pause(scope: PauseScope = PauseScope.ORGANIZATION, organization: str = "demo", target: str = "") -> Pause:
    return Pause(control_id=uuid7(), scope=scope, organization_id=organization, target=target, version=5, pausing=False)


@pytest.mark.parametrize(
    ("scope", "organization", "target", "covered"),
    [
        (PauseScope.CAMPAIGN, "demo", "welcome", True),
        (PauseScope.CAMPAIGN, "demo", "other", False),
        (PauseScope.CAMPAIGN, "foreign", "welcome", False),
        (PauseScope.INSTANCE, "demo", "inst-1", True),
        (PauseScope.INSTANCE, "demo", "welcome", False),
        (PauseScope.ORGANIZATION, "demo", "", True),
        (PauseScope.ORGANIZATION, "foreign", "", False),
        (PauseScope.PLATFORM, "", "", True),
    ],
)
def test_a_pause_covers_what_is_its_own(scope: PauseScope, organization: str, target: str, covered: bool) -> None:
    known = KnownPauses()
    known.snapshot(
        [Pause(control_id=uuid7(), scope=scope, organization_id=organization, target=target, version=5, pausing=False)]
    )
    assert known.covers(SCOPE) is covered


def test_one_of_two_pauses_ending_leaves_the_scope_paused() -> None:
    known = KnownPauses()
    first, second = pause(), pause()
    known.snapshot([first])
    known.began(second)
    known.ended(first.control_id)
    assert known.covers(SCOPE)
    known.ended(second.control_id)
    assert not known.covers(SCOPE)
    assert known.release_due


def test_a_lost_watch_is_believed_nothing_and_the_next_snapshot_releases_what_ended_meanwhile() -> None:
    known = KnownPauses()
    pause = Pause(
        control_id=uuid7(), scope=PauseScope.ORGANIZATION, organization_id="demo", target="", version=5, pausing=False
    )
    known.snapshot([pause])
    known.release_due = False
    known.lost()
    assert not known.covers(SCOPE)
    known.snapshot([])
    assert known.release_due
    assert known.live_ids() == ()


def test_an_answer_forgets_the_pauses_it_is_newer_than_and_no_others() -> None:
    known, campaign = KnownPauses(), pause(PauseScope.CAMPAIGN, "demo", "welcome")
    known.snapshot([campaign, pause(PauseScope.CAMPAIGN, "demo", "other")])
    known.release_due = False
    known.lifted(SCOPE, control_version=4, platform_version=9)
    assert known.covers(SCOPE)
    assert not known.release_due
    known.lifted(SCOPE, control_version=6, platform_version=0)
    assert not known.covers(SCOPE)
    assert known.release_due
    assert len(known.live_ids()) == 1


def test_a_platform_pause_goes_by_the_platform_s_version() -> None:
    known = KnownPauses()
    known.snapshot([pause(PauseScope.PLATFORM, "", "")])
    known.lifted(SCOPE, control_version=9, platform_version=4)
    assert known.covers(SCOPE)
    known.lifted(SCOPE, control_version=0, platform_version=5)
    assert not known.covers(SCOPE)
