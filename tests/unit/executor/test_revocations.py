"""Which permits a pause that was heard of revokes, and that nothing lowers it."""

import pytest

from executor.domain.job import Scope
from executor.domain.pauses import Pause, PauseScope
from executor.domain.permit import LONGEST_TTL
from executor.domain.revocations import Revocations
from kernel.ids import uuid7

SCOPE = Scope("demo", "inst-1", "welcome")


def pause(scope: PauseScope = PauseScope.CAMPAIGN, organization: str = "demo", target: str = "welcome") -> Pause:
    return Pause(control_id=uuid7(), scope=scope, organization_id=organization, target=target, version=5, pausing=True)


@pytest.mark.parametrize(
    ("heard", "control_version", "platform_version", "revoked"),
    [
        (pause(), 4, 9, True),
        (pause(), 5, 0, False),
        (pause(), 6, 0, False),
        (pause(PauseScope.INSTANCE, "demo", "inst-1"), 4, 9, True),
        (pause(PauseScope.ORGANIZATION, "demo", ""), 4, 9, True),
        (pause(PauseScope.PLATFORM, "", ""), 9, 4, True),
        (pause(PauseScope.PLATFORM, "", ""), 0, 5, False),
        (pause(target="other"), 4, 4, False),
        (pause(organization="foreign"), 4, 4, False),
        (pause(PauseScope.INSTANCE, "demo", "welcome"), 4, 4, False),
    ],
)
def test_a_permit_older_than_a_pause_that_covers_it_is_revoked(
    heard: Pause, control_version: int, platform_version: int, revoked: bool
) -> None:
    revocations = Revocations()
    revocations.revoke([heard], 0.0)
    found = revocations.revoked(SCOPE, control_version=control_version, platform_version=platform_version)
    assert found is revoked


def test_an_older_message_and_an_empty_snapshot_lower_nothing() -> None:
    revocations = Revocations()
    newer = pause()
    revocations.revoke([newer], 0.0)
    older = Pause(
        control_id=uuid7(), scope=newer.scope, organization_id="demo", target="welcome", version=3, pausing=True
    )
    revocations.revoke([older], 0.1)
    revocations.revoke([], 0.2)
    assert revocations.revoked(SCOPE, control_version=4, platform_version=0)


def test_what_was_heard_is_kept_for_as_long_as_a_permit_can_hold_and_no_longer() -> None:
    revocations = Revocations()
    revocations.revoke([pause()], 10.0)
    revocations.revoke([], 10.0 + LONGEST_TTL)
    assert revocations.revoked(SCOPE, control_version=4, platform_version=0)
    revocations.revoke([], 10.1 + LONGEST_TTL)
    assert not revocations.revoked(SCOPE, control_version=4, platform_version=0)
