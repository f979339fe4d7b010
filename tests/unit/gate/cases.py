"""Facts and intents for tests of the domain, and strategies that make any of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from gate.domain.facts import Controls, Cooldown, Facts, Instance, Intent, Pause, Scope
from gate.domain.moments import microseconds
from gate.domain.policy import Pace, Policy
from gate.domain.quiet_hours import QuietHours, Window
from gate.domain.recipient import SAO_PAULO
from gate.domain.schedule import Schedule, Slot, day_of, hour_of
from gate.domain.words import Category
from kernel.ids import uuid7

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
MOMENT = microseconds(NOW)
ORGANIZATION, CAMPAIGN = "demo", "welcome"


def controls(*instance_ids: str, pauses: dict[Scope, Pause] | None = None) -> Controls:
    asked = {Scope(ORGANIZATION, "", CAMPAIGN), *(Scope(ORGANIZATION, name, "") for name in instance_ids)}
    return Controls(asked=frozenset(asked), pauses=pauses or {}, versions={ORGANIZATION: 3})


def intent(**values: Any) -> Intent:
    given: dict[str, Any] = {
        "intent_id": uuid7(),
        "organization_id": ORGANIZATION,
        "campaign_id": CAMPAIGN,
        "instance_id": "inst-1",
        "category": Category.UTILITY,
        "utc_offset": SAO_PAULO,
        "expire_time": NOW + timedelta(days=7),
        "hold_if_paused": False,
        "accepted": False,
    }
    return Intent(**{**given, **values})


def facts(*instances: Instance, **values: Any) -> Facts:
    given: dict[str, Any] = {
        "mobile": True,
        "suppressed": False,
        "duplicate": False,
        "policy": Policy(),
        "policy_version": 1,
        "controls": controls("inst-1", "inst-2", "inst-3"),
        "instances": instances,
    }
    return Facts(**{**given, **values})


def instance(instance_id: str = "inst-1", **values: Any) -> Instance:
    return Instance(instance_id=instance_id, **{"connected": True, **values})


windows = st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True).map(
    lambda ends: Window(start=min(ends), end=max(ends))
)
_quiet_hours = st.builds(
    QuietHours,
    weekdays=windows,
    saturdays=st.none() | windows,
    sundays=st.none() | windows,
    categories=st.sets(st.sampled_from(Category)).map(frozenset),
    holidays=st.sets(st.just(NOW.date())).map(frozenset),
)
_cap = st.none() | st.integers(0, 5)
_policies = st.builds(
    Policy,
    pace=st.none()
    | st.builds(
        Pace,
        gap=st.integers(0, 20_000_000),
        jitter=st.integers(0, 20_000_000),
        burst=st.integers(1, 4),
    ),
    hourly_cap=_cap,
    daily_cap=_cap,
    quiet_hours=st.none() | _quiet_hours,
)
_offsets = st.integers(-7_200_000_000, 7_200_000_000)
_cooldowns = st.none() | st.builds(
    Cooldown,
    reason=st.just("SPAM_LIMIT"),
    level=st.integers(1, 4),
    start_time=st.just(NOW - timedelta(hours=1)),
    end_time=st.integers(-3600, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)


@st.composite
def _schedules(draw: st.DrawFn) -> Schedule:
    hours = {hour_of(MOMENT) + n: draw(st.integers(0, 6)) for n in range(3)}
    days = {day_of(MOMENT) + n: draw(st.integers(0, 6)) for n in range(2)}
    return Schedule(tat=MOMENT + draw(_offsets), hours=hours, days=days)


@st.composite
def any_case(draw: st.DrawFn) -> tuple[Intent, Facts]:
    """Any intent before any facts."""
    names = draw(st.lists(st.sampled_from(["inst-1", "inst-2", "inst-3"]), unique=True))
    instances = [
        Instance(
            instance_id=name,
            connected=draw(st.booleans()),
            cooldown=draw(_cooldowns),
            schedule=draw(_schedules()),
        )
        for name in names
    ]
    scopes = [Scope(ORGANIZATION, "", CAMPAIGN), *(Scope(ORGANIZATION, name, "") for name in names)]
    until = draw(st.none() | st.just(NOW + timedelta(minutes=5)))
    paused = draw(st.sets(st.sampled_from(scopes)))
    known = draw(st.sets(st.sampled_from(scopes)))
    held = draw(st.none() | st.builds(Slot, at=_offsets.map(lambda n: MOMENT + n), before=st.just(1), after=st.just(2)))
    wanted = intent(
        instance_id=draw(st.sampled_from(["", *names, "unknown"])),
        category=draw(st.sampled_from(Category)),
        utc_offset=draw(st.integers(-5, -2)),
        expire_time=NOW + timedelta(seconds=draw(st.integers(-5, 4000))),
        hold_if_paused=draw(st.booleans()),
        accepted=draw(st.booleans()),
    )
    given = Facts(
        mobile=draw(st.booleans()),
        suppressed=draw(st.booleans()),
        duplicate=draw(st.booleans()),
        policy=draw(_policies),
        policy_version=draw(st.integers(0, 9)),
        controls=Controls(
            asked=frozenset(known | paused),
            pauses={scope: Pause(until=until, note="stopped") for scope in paused},
            versions={ORGANIZATION: 5},
        ),
        instances=[one for one in instances if wanted.instance_id in ("", one.instance_id)],
        held=held,
        held_by=draw(st.sampled_from(["", *names])) if held is not None else "",
    )
    return wanted, given
