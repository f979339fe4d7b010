"""When scopes are worth another look: however many are paused, a loop comes to rest."""

from executor.application.patience import Patience
from executor.application.ports import DueScope
from executor.application.rounds import Limits, choose
from executor.domain.job import Scope
from executor.domain.pauses import KnownPauses, Pause, PauseScope
from kernel.ids import uuid7

LIMITS = Limits(holds=1_000)


def test_however_many_scopes_are_paused_each_is_asked_about_once_a_minute() -> None:
    pause = Pause(
        control_id=uuid7(), scope=PauseScope.PLATFORM, organization_id="", target="", version=1, pausing=False
    )
    pauses = KnownPauses()
    pauses.snapshot([pause])
    patience = Patience(pauses, lead=LIMITS.lead, longest=LIMITS.longest_sleep)
    due = [
        DueScope(scope=Scope("demo", "inst-1", f"c-{number}"), due_in=-1.0, slot_in=-1.0, ramp_in=-1.0)
        for number in range(12_000)
    ]

    def rounds(now: float) -> int:
        """Return how many rounds there are until nothing is left to ask about."""
        for number in range(100):
            choice = choose(due, pauses=pauses, patience=patience, now=now, room=512, limits=LIMITS)
            if not choice.scopes:
                return number
            for scope in choice.scopes:
                patience.paused(scope, [pause.control_id], now)
        raise AssertionError("it asks in a circle")

    assert rounds(100.0) == 12
    assert rounds(130.0) == 0
    assert rounds(161.0) == 12
