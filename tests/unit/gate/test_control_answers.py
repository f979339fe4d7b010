"""What the gate reads from control's answers: who paused, why, until when, and at what share of its pace it goes on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.domain.facts import Controls, Pause, Scope
from gate.infrastructure.control import ControlClient
from whatlead.control.v1 import control_pb2

SCOPE = Scope("demo", "", "welcome")


class Stub:
    """A control that always answers the same."""

    def __init__(self, answer: control_pb2.ScopeAnswer) -> None:
        self.answer = answer

    async def CheckExecutions(self, request: Any, timeout: float) -> control_pb2.CheckExecutionsResponse:
        return control_pb2.CheckExecutionsResponse(answers=[self.answer] * len(request.scopes))


async def asked(answer: control_pb2.ScopeAnswer) -> Controls:
    stub: Any = Stub(answer)
    return await ControlClient([stub]).check([SCOPE])


@pytest.mark.parametrize(
    ("allowed", "share"),
    [
        (control_pb2.Allowed(rate_factor=1), None),
        (control_pb2.Allowed(), None),
        (control_pb2.Allowed(rate_factor=0.34), 0.34),
        (control_pb2.Allowed(rate_factor=1, canary=control_pb2.CanaryLimit(sends=20)), 0.1),
        (control_pb2.Allowed(rate_factor=0.05, canary=control_pb2.CanaryLimit(sends=20)), 0.05),
    ],
    ids=["full-pace", "unsaid", "ramp", "canary", "canary-on-a-ramp"],
)
async def test_the_share_of_the_pace_is_what_goes_on_slowly(allowed: control_pb2.Allowed, share: float | None) -> None:
    controls = await asked(control_pb2.ScopeAnswer(allowed=allowed))
    assert controls.shares == ({} if share is None else {SCOPE: share})
    assert controls.knows(SCOPE)
    assert not controls.pauses


@pytest.mark.parametrize("source", ["MANUAL", "AUTO", "PROVIDER", "PLATFORM"])
async def test_a_pause_is_noted_with_who_why_and_until_when(source: str) -> None:
    paused = control_pb2.Paused(
        control_ids=["a", "b", "c", "d"],
        reason="wrong template",
        paused_by="ana",
        source=control_pb2.Source.Value(f"SOURCE_{source}"),
    )
    until = datetime(2026, 11, 23, 15, tzinfo=UTC)
    paused.paused_until.FromDatetime(until)
    controls = await asked(control_pb2.ScopeAnswer(paused=paused))
    assert controls.pauses == {SCOPE: Pause(until=until, note=f"wrong template (by ana, {source}, a, b, c)")}


async def test_what_comes_back_waits_where_it_goes_on_slowly() -> None:
    slow = await asked(control_pb2.ScopeAnswer(allowed=control_pb2.Allowed(rate_factor=0.5)))
    assert set(slow.for_returns().pauses) == {SCOPE}
    full = await asked(control_pb2.ScopeAnswer(allowed=control_pb2.Allowed(rate_factor=1)))
    assert not full.for_returns().pauses
