"""Who may pause and lift what."""

from datetime import timedelta

import pytest
from tests.unit.control.memory import START, TTL_MAX, order

from control.domain.authority import (
    Caller,
    Peer,
    Requester,
    Role,
    Wish,
    demand_may_lift,
    demand_reasonable_end,
    order_of,
)
from control.domain.pause import PLATFORM, Pause, Scope, Source
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId, uuid7

GATE = Peer(service="gate")


def caller(role: Role) -> Caller:
    return Caller(subject="ana", organization_id=OrganizationId("demo"), role=role)


def wish(**values: object) -> Wish:
    usual: dict[str, object] = {
        "request_id": "stop-1",
        "scope": Scope.CAMPAIGN,
        "target": "welcome",
        "reason": "wrong template",
        "paused_until": None,
        "organization_id": "",
        "source": None,
    }
    return Wish(**(usual | values))  # type: ignore[arg-type]


def of_scope(scope: Scope, **values: object) -> Wish:
    return wish(scope=scope, target="welcome" if scope.has_target else "", **values)


_MAY_PAUSE = {
    Role.OWNER: {Scope.INSTANCE, Scope.CAMPAIGN, Scope.ORGANIZATION},
    Role.ADMIN: {Scope.INSTANCE, Scope.CAMPAIGN, Scope.ORGANIZATION},
    Role.MEMBER: {Scope.INSTANCE, Scope.CAMPAIGN},
    Role.PLATFORM: {Scope.PLATFORM},
}


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("role", Role)
def test_which_role_may_pause_which_scope(role: Role, scope: Scope) -> None:
    if scope in _MAY_PAUSE[role]:
        made = order_of(of_scope(scope), caller(role))
        assert made.organization_id == (PLATFORM if scope is Scope.PLATFORM else "demo")
        assert made.source is (Source.PLATFORM if scope is Scope.PLATFORM else Source.MANUAL)
        assert (made.paused_by, made.peer) == ("ana", "")
    else:
        with pytest.raises(Failure) as refused:
            order_of(of_scope(scope), caller(role))
        assert (refused.value.kind, refused.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


@pytest.mark.parametrize("source", [Source.AUTO, Source.PROVIDER])
def test_the_gate_pauses_for_a_named_organization(source: Source) -> None:
    made = order_of(wish(organization_id="demo", source=source), GATE)

    assert (made.organization_id, made.source, made.paused_by, made.peer) == ("demo", source, "gate", "gate")


def test_the_gate_may_not_pause_the_platform() -> None:
    with pytest.raises(Failure) as refused:
        order_of(of_scope(Scope.PLATFORM, organization_id="demo", source=Source.AUTO), GATE)
    assert refused.value.kind is Kind.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("asked", "requester", "fields"),
    [
        pytest.param(wish(target=""), caller(Role.OWNER), ["target"], id="campaign without a target"),
        pytest.param(wish(scope=Scope.ORGANIZATION), caller(Role.OWNER), ["target"], id="organization with a target"),
        pytest.param(
            wish(organization_id="demo", source=Source.MANUAL),
            caller(Role.OWNER),
            ["organization_id", "source"],
            id="a caller says what only services may",
        ),
        pytest.param(wish(), GATE, ["organization_id", "source"], id="the gate names nobody"),
        pytest.param(wish(organization_id="demo", source=Source.MANUAL), GATE, ["source"], id="the gate as a person"),
    ],
)
def test_every_bad_field_is_named(asked: Wish, requester: Requester, fields: list[str]) -> None:
    with pytest.raises(Failure) as refused:
        order_of(asked, requester)

    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID_ARGUMENT, "INVALID_FIELD")
    assert [violation.field for violation in refused.value.violations] == fields


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=-1), timedelta(days=367)])
def test_an_end_in_the_past_or_far_away_is_refused(ahead: timedelta) -> None:
    with pytest.raises(Failure) as refused:
        demand_reasonable_end(order(paused_until=START + ahead), START)
    assert [violation.field for violation in refused.value.violations] == ["paused_until"]


_MAY_LIFT = {
    Role.OWNER: {Scope.INSTANCE, Scope.CAMPAIGN, Scope.ORGANIZATION},
    Role.ADMIN: {Scope.INSTANCE, Scope.CAMPAIGN, Scope.ORGANIZATION},
    Role.MEMBER: set[Scope](),
    Role.PLATFORM: {Scope.PLATFORM},
}


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("role", Role)
def test_which_role_may_lift_which_scope(role: Role, scope: Scope) -> None:
    made = order(
        scope=scope,
        target="welcome" if scope.has_target else "",
        organization_id=PLATFORM if scope is Scope.PLATFORM else OrganizationId("demo"),
    )
    pause = Pause.begin(made, control_id=ControlId(uuid7()), version=1, ttl_max=TTL_MAX, at=START)
    if scope in _MAY_LIFT[role]:
        demand_may_lift(pause, caller(role))
    else:
        with pytest.raises(Failure) as refused:
            demand_may_lift(pause, caller(role))
        assert refused.value.kind is Kind.PERMISSION_DENIED
