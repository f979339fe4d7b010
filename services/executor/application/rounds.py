"""Which scopes a round is for, and what bounds it. Knows no store and asks nobody."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from executor.application.patience import Patience
from executor.application.ports import DueScope, TakeOrder
from executor.domain.job import Scope, TakenJob
from executor.domain.pauses import KnownPauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a round; times in seconds.

    `lead` is how long before its slot a lane is looked at; `longest_sleep` how long a round may be put off that nobody
    wakes (jobs that another executor left behind); `lease_seconds` outlives the providers' deadline by a margin.
    Control answers for as many scopes as `sends` and `holds` together in one call, and not for many more.
    """

    sends: int = 4_800
    per_lane: int = 300
    scopes: int = 2_000
    holds: int = 200
    releases: int = 2_000
    guard: float = 0.05
    lead: float = 0.02
    lease_seconds: float = 30.0
    longest_sleep: float = 1.0
    probe: float = 0.05
    stop_seconds: float = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The scopes to ask control about, or how many seconds to wait; `paused` of them are known to be paused."""

    scopes: tuple[Scope, ...]
    wait: float
    paused: int


def choose(
    due: Sequence[DueScope], *, pauses: KnownPauses, patience: Patience, now: float, room: int, limits: Limits
) -> Choice:
    """Choose the scopes that can send now, and those known to be paused whose jobs are to be told of it."""
    ready: list[Scope] = []
    wait = limits.longest_sleep
    paused = 0
    for each in due:
        ready_in = patience.ready_in(each, now)
        if ready_in > 0:
            wait = min(wait, ready_in)
        elif pauses.covers(each.scope):
            if paused < limits.holds:
                paused += 1
                ready.append(each.scope)
        elif len(ready) - paused < room:
            ready.append(each.scope)
    return Choice(scopes=tuple(ready), wait=wait, paused=paused)


def leaves_nothing(order: TakeOrder, taken: Sequence[TakenJob]) -> bool:
    """Tell whether no job of the order's scopes is left that could begin within its horizon.

    So it is where each scope gave some, and nothing but the horizon bounded how many.
    """
    served = Counter(job.job.scope for job in taken)
    return len(taken) < order.jobs and all(
        0 < served[scope] < order.per_scope and allowed.rate_factor >= 1 and allowed.canary is None
        for scope, allowed in order.scopes
    )
