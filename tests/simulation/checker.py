"""Judge a run by the contract of the kill switch, from what providers, the primary and operators saw, in true time.

A fence stands from the moment that it is committed or answered, whichever is first, until its pause's end is committed:
never shorter than what the contract promises. Knows no mechanism of executor or control.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from uuid import UUID

from tests.simulation.database import TTL_MAX, Commit

from control.domain.fence import FenceRule
from control.domain.pause import Order, Pause, State
from control.domain.pause import Scope as Reach
from executor.domain.job import Scope

W = FenceRule().wait(TTL_MAX)
_LATEST_FENCE = W / 0.99 + 0.1
_FAST = 0.25
_BUSY = 3
LONGEST_RAMP = 2.0
Calm = Callable[[float, float], bool]
Manned = Callable[[str, float, float], bool]


def covers(order: Order, scope: Scope) -> bool:
    """Tell whether a pause covers a send."""
    if order.scope is Reach.PLATFORM:
        return True
    if order.organization_id != scope.organization_id:
        return False
    match order.scope:
        case Reach.ORGANIZATION:
            return True
        case Reach.INSTANCE:
            return order.target == scope.instance_id
        case _:
            return order.target == scope.campaign_id


class Trace:
    """What happened, as a digest that two runs of a seed share."""

    def __init__(self, *, keep: bool) -> None:
        self.lines: list[str] | None = [] if keep else None
        self._digest = blake2b(digest_size=8)

    def note(self, at: float, what: str) -> None:
        line = f"{at:.9f} {what}\n"
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


@dataclass(slots=True, eq=False)
class Life:
    """One pause as the primary's commits made it."""

    order: Order
    committed_at: float
    states: list[State] = field(default_factory=list)
    fenced_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ramp: float = 0.0
    had_waiting: bool = False


@dataclass(slots=True)
class Findings:
    """What came of one run."""

    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)


class Checker:
    """Watches a run and judges it at its end."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        waits: Callable[[Order], bool],
        trace: Trace,
    ) -> None:
        self.findings = Findings()
        self.lives: dict[UUID, Life] = {}
        self._now = now
        self._waits = waits
        self._trace = trace
        self._fences: dict[UUID, Life] = {}
        self._begins: defaultdict[Scope, list[float]] = defaultdict(list)
        self._begun: dict[str, str] = {}
        self._versions: defaultdict[str, int] = defaultdict(int)

    def began(self, executor: str, intent: str, attempt_id: str, scope: Scope) -> None:
        """A send began."""
        now = self._now()
        self._trace.note(now, f"{executor} begins {attempt_id} {scope.organization_id}/{scope.instance_id}")
        self._begins[scope].append(now)
        self.findings.counts["sends"] += 1
        for life in self._fences.values():
            if covers(life.order, scope):
                since = now - min(life.fenced_at or now, life.answered_at or now)
                self._violated("K1", f"{executor} began {attempt_id} {since:.3f} s after the fence of {_name(life)}")
        if self._begun.get(intent, "retry") != "retry":
            self._violated("twice", f"{executor} began {attempt_id} although {self._begun[intent]} may have arrived")
        self._begun[intent] = attempt_id

    def refused(self, intent: str) -> None:
        """The provider said definitely no: it may begin again."""
        self._begun[intent] = "retry"

    def committed(self, commit: Commit) -> None:
        """The primary committed a pause's transition."""
        pause = commit.pause
        self._trace.note(commit.at, f"commits {pause.control_id} {pause.state} {pause.version}")
        life = self.lives.get(pause.control_id)
        if life is None:
            life = self.lives[pause.control_id] = Life(order=pause.order, committed_at=commit.at)
        if pause.state in life.states or (life.ended_at is not None):
            self._violated("K5", f"{_name(life)} became {pause.state} after {life.states}")
        life.states.append(pause.state)
        self._versions[pause.organization_id] += 1
        if pause.version != self._versions[pause.organization_id]:
            self._violated("K5", f"{_name(life)} has version {pause.version}: one is missing or came twice")
        if pause.state is State.FENCED:
            life.fenced_at = commit.at
            self._stand(pause.control_id, life)
        elif not pause.state.is_live:
            life.ended_at = commit.at
            if pause.resumption is not None and pause.resumption.ramp is not None:
                life.ramp = pause.resumption.ramp.duration.total_seconds()
            self._fences.pop(pause.control_id, None)

    def answered(self, pause: Pause) -> None:
        """An operator was told that the fence stands."""
        life = self.lives[pause.control_id]
        if life.answered_at is None and life.ended_at is None:
            life.answered_at = self._now()
            self._stand(pause.control_id, life)

    def conclude(self, *, calm: Calm, manned: Manned) -> Findings:
        """Judge what only shows in hindsight.

        `calm`: nothing was wrong between two times; `manned`: the primary was well and so was some control.
        """
        for life in self.lives.values():
            self.findings.counts["pauses"] += 1
            self._judge_latency(life, manned)
            self._judge_effect(life, calm)
            if life.ended_at is not None:
                self._judge_resumption(life, life.ended_at, calm)
        return self.findings

    def _stand(self, control_id: UUID, life: Life) -> None:
        if control_id not in self._fences:
            self._fences[control_id] = life
            life.had_waiting = self._waits(life.order)

    def _judge_latency(self, life: Life, manned: Manned) -> None:
        until = min(life.committed_at + _LATEST_FENCE, self._now())
        stood_at = life.fenced_at
        if stood_at is not None:
            self.findings.latencies.append(stood_at - life.committed_at)
            self.findings.counts["fast fences"] += stood_at - life.committed_at < _FAST
        if life.ended_at is not None and life.ended_at < until:
            return
        if (
            (stood_at is None or stood_at > until)
            and until < self._now()
            and manned(life.order.organization_id, life.committed_at, until)
        ):
            took = f"{stood_at - life.committed_at:.3f} s" if stood_at is not None else "for ever"
            self._violated("latency", f"the fence of {_name(life)} took {took}")

    def _judge_effect(self, life: Life, calm: Calm) -> None:
        if life.fenced_at is None or not life.had_waiting:
            return
        start = life.committed_at
        if self._sends(lambda scope: covers(life.order, scope), start - 1.0, start) < _BUSY:
            return
        self.findings.counts["counted"] += 1
        if start < 1.0 or start + 1.0 > self._now() or not calm(start - 1.0, start + 1.0):
            return
        others = [
            other for other in self.lives.values() if other is not life and _overlaps(other, start - 1.5, start + 1.0)
        ]
        free = [
            scope
            for scope in self._begins
            if not covers(life.order, scope) and not any(covers(other.order, scope) for other in others)
        ]
        before = self._sends(lambda scope: scope in free, start - 1.0, start)
        if before >= 4 * _BUSY:
            self.findings.counts["others judged"] += 1
            after = self._sends(lambda scope: scope in free, start, start + 1.0)
            if after < before / 4:
                self._violated("K4", f"{_name(life)}: what it does not cover went from {before} to {after} sends/s")

    def _judge_resumption(self, life: Life, ended_at: float, calm: Calm) -> None:
        until = ended_at + 1.0 + self._ramping(life, ended_at)
        if until > self._now() or not calm(ended_at - 0.5, until):
            return
        others = [other for other in self.lives.values() if other is not life and _overlaps(other, ended_at, until)]
        free = [
            scope
            for scope in self._begins
            if covers(life.order, scope) and not any(covers(other.order, scope) for other in others)
        ]
        for scope in free:
            self.findings.counts["resumptions judged"] += 1
            if not self._sends(lambda one, scope=scope: one == scope, ended_at, until):  # type: ignore[misc]
                self._violated(
                    "K2", f"nothing of {tuple(scope)} began within the ramp and 1 s of the end of {_name(life)}"
                )

    def _ramping(self, life: Life, at: float) -> float:
        """Return how long the pace of what `life` covered may still grow."""
        ends = [other.ended_at + other.ramp for other in self.lives.values() if other.ended_at is not None]
        return max((end - at for end in ends if at <= end <= at + LONGEST_RAMP), default=0.0)

    def _sends(self, chosen: Callable[[Scope], bool], since: float, until: float) -> int:
        return sum(
            bisect_right(times, until) - bisect_left(times, since)
            for scope, times in self._begins.items()
            if chosen(scope)
        )

    def _violated(self, rule: str, what: str) -> None:
        self.findings.violations.append(f"{rule} at {self._now():.3f}: {what}")
        self._trace.note(self._now(), f"violates {rule}")


def _overlaps(life: Life, since: float, until: float) -> bool:
    return life.committed_at < until and (life.ended_at is None or life.ended_at > since)


def _name(life: Life) -> str:
    return f"{life.order.scope} {life.order.organization_id}/{life.order.target} ({life.committed_at:.3f})"
