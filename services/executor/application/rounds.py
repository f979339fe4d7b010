"""Which scopes a round is for, and what bounds it. Knows no store and asks nobody."""

from collections.abc import Sequence
from dataclasses import dataclass

from executor.application.ports import DueScope
from executor.domain.job import Scope
from executor.domain.pauses import KnownPauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a round; times in seconds.

    `lead` is how long before its slot a lane is looked at; `longest_sleep` how long a round may be put off that nobody
    wakes (jobs that another executor left behind); `lease_seconds` outlives the providers' deadline by a margin.
    """

    per_lane: int = 300
    scopes: int = 2_000
    holds: int = 200
    releases: int = 2_000
    guard: float = 0.05
    lead: float = 0.02
    lease_seconds: float = 30.0
    recheck: float = 1.0
    longest_sleep: float = 1.0
    probe: float = 0.05
    stop_seconds: float = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The scopes to ask control about, or how many seconds to wait; `rechecks` of them are known to be paused."""

    scopes: tuple[Scope, ...]
    wait: float
    rechecks: int


def choose(
    due: Sequence[DueScope], *, pauses: KnownPauses, now: float, recheck_at: float, room: int, limits: Limits
) -> Choice:
    """Choose the scopes that can send now, and now and then those that are known to be paused.

    The latter get their due jobs told of the pause, a bounded number at a time, so that a million jobs that wait in a
    paused scope cost next to nothing.
    """
    ready: list[Scope] = []
    wait = limits.longest_sleep
    rechecks = 0
    for scope in due:
        if pauses.covers(scope.scope):
            if scope.due_in > 0:
                continue
            if now >= recheck_at and rechecks < limits.holds:
                rechecks += 1
                ready.append(scope.scope)
            else:
                wait = min(wait, max(recheck_at - now, limits.lead))
        elif scope.ready_in > limits.lead:
            wait = min(wait, scope.ready_in - limits.lead)
        elif len(ready) - rechecks < room:
            ready.append(scope.scope)
    return Choice(scopes=tuple(ready), wait=wait, rechecks=rechecks)
