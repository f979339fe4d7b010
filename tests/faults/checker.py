"""Say whether the kill switch held, from what was seen on one clock. Knows no process and starts nothing.

K1  no send in scope begins from the moment the fence stood until a resume was asked for
K2  sends begin again within a second of a resume, where nothing was broken
K3  a pause counts only if 10 sends in scope began in the second before it and a job waited when it was fenced
K4  meanwhile other scopes keep 90 % of their rate, where nothing was broken
K5  one event for each transition of each pause
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.admin import Target
from tests.faults.load import Lane, Send
from tests.faults.weather import Fault

SENDS_BEFORE = 10
RESUME_SECONDS = 1.0
LONGEST_RESUME_SECONDS = 30.0
OTHERS_SHARE = 0.9
LATE_SECONDS = 0.05
SETTLE_SECONDS = 2.5  # how long after a fault its consequences are not held against anybody
TRANSITIONS = ("PAUSED", "FENCED", "RESUMED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause from end to end, in boot-time seconds. `waiting`: jobs that waited in scope when it was fenced."""

    control_id: str
    target: Target
    asked_at: float
    committed_at: float
    fenced_at: float
    answered_at: float
    resume_asked_at: float
    resumed_at: float
    waiting: int
    tries: int


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was seen in one run. `calm_rates`: sends a second of each lane before the first pause and fault."""

    pauses: Sequence[Pause]
    sends: Sequence[Send]
    arrivals: Sequence[tuple[float, str]]
    faults: Sequence[Fault]
    events: Mapping[str, Counter[str]]
    others: Sequence[Lane]
    calm_rates: Mapping[Lane, float]
    ended_at: float


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Violations in words, and how often each claim was put to the test."""

    violations: dict[str, list[str]] = field(default_factory=lambda: {f"K{number}": [] for number in range(1, 6)})
    counted: int = 0
    resumes_judged: int = 0
    others_judged: float = 0.0
    others_share: float = 0.0
    events_judged: int = 0
    late_arrivals: int = 0
    resume_seconds: list[float] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(self.violations.values())


def judge(seen: Seen) -> Verdict:
    """Judge everything that was seen."""
    verdict = Verdict()
    sends = sorted(seen.sends, key=lambda send: send.at)
    hooks = {send.attempt: send for send in sends}
    for pause in seen.pauses:
        times = [send.at for send in sends if pause.target.covers(send.lane)]
        verdict.counted += counts(pause, times)
        _fence(pause, times, verdict)
        _resume(pause, times, seen, verdict)
        _events(pause, seen.events.get(pause.control_id, Counter()), verdict)
        _arrivals(pause, seen.arrivals, hooks, verdict)
    _others(seen, sends, verdict)
    return verdict


def counts(pause: Pause, times: Sequence[float]) -> bool:
    """Tell whether there was anything for the pause to stop (K3)."""
    return between(times, pause.asked_at - 1, pause.asked_at) >= SENDS_BEFORE and pause.waiting >= 1


def between(times: Sequence[float], start: float, end: float) -> int:
    """Return how many of the ascending `times` lie from `start` to before `end`."""
    return bisect_left(times, end) - bisect_left(times, start)


def _fence(pause: Pause, times: Sequence[float], verdict: Verdict) -> None:
    first = bisect_right(times, pause.fenced_at)
    inside = between(times, pause.fenced_at, pause.resume_asked_at)
    if inside:
        after = (times[first] - pause.fenced_at) * 1000 if first < len(times) else 0.0
        verdict.violations["K1"].append(f"{pause.control_id}: {inside} sends, the first {after:.0f} ms after the fence")


def _resume(pause: Pause, times: Sequence[float], seen: Seen, verdict: Verdict) -> None:
    position = bisect_left(times, pause.resume_asked_at)
    first = times[position] if position < len(times) else seen.ended_at
    limit = pause.resumed_at + RESUME_SECONDS
    if limit < seen.ended_at and is_calm(seen.faults, pause.resume_asked_at, limit):
        verdict.resumes_judged += 1
        verdict.resume_seconds.append(max(0.0, first - pause.resumed_at))
    elif first <= pause.resumed_at + LONGEST_RESUME_SECONDS:
        return
    if first > limit and pause.waiting:
        verdict.violations["K2"].append(f"{pause.control_id}: first send {first - pause.resumed_at:.2f} s after resume")


def _events(pause: Pause, told: Counter[str], verdict: Verdict) -> None:
    verdict.events_judged += 1
    if told != Counter(TRANSITIONS):
        verdict.violations["K5"].append(f"{pause.control_id}: {dict(told)}")


def _arrivals(pause: Pause, arrivals: Sequence[tuple[float, str]], hooks: Mapping[str, Send], verdict: Verdict) -> None:
    """Count first bytes inside the fence whose hook was before it by more than a moment; without a hook: K1 broken."""
    position = bisect_left(arrivals, (pause.fenced_at, ""))
    for at, attempt in arrivals[position:]:
        if at >= pause.resume_asked_at:
            return
        send = hooks.get(attempt)
        if send is None:
            verdict.violations["K1"].append(f"{attempt} arrived and no hook let it go")
        elif pause.target.covers(send.lane) and at - send.at > LATE_SECONDS:
            verdict.late_arrivals += 1


def is_calm(faults: Sequence[Fault], start: float, end: float) -> bool:
    """Tell whether nothing was broken, nor lately, between two moments."""
    return not any(fault.began_at < end and fault.ended_at + SETTLE_SECONDS > start for fault in faults)


def _others(seen: Seen, sends: Sequence[Send], verdict: Verdict) -> None:
    """Compare the others' sends inside calm fences with their rate before the first pause, over all of them (K4)."""
    expected = found = 0.0
    times = [send.at for send in sends if send.lane in seen.others]
    rate = sum(seen.calm_rates[lane] for lane in seen.others)
    for pause in seen.pauses:
        if is_calm(seen.faults, pause.fenced_at, pause.resume_asked_at):
            seconds = pause.resume_asked_at - pause.fenced_at
            verdict.others_judged += seconds
            expected += rate * seconds
            found += between(times, pause.fenced_at, pause.resume_asked_at)
    if expected:
        verdict.others_share = found / expected
        if verdict.others_share < OTHERS_SHARE:
            verdict.violations["K4"].append(f"other scopes kept {verdict.others_share:.0%} of {rate:.0f} sends/s")
