"""What a measurement yields. Knows neither who was measured how, nor how it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Measure(StrEnum):
    """A figure; the value is its label."""

    BULK = "bulk, end to end: messages/s"
    SINGLE = "one by one, 50 at a time, end to end: messages/s"
    LATENCY_P50 = "submit to provider at 50/s, p50: ms"
    LATENCY_P99 = "submit to provider at 50/s, p99: ms"
    BULK_PROCESSOR = "bulk: CPU s per 1,000 messages"
    SINGLE_PROCESSOR = "one by one: CPU s per 1,000 messages"
    STEADY_PROCESSOR = "at 50/s: CPU s per 1,000 messages"
    OTHERS = "meanwhile taken by everything else: cores"
    MEMORY = "resident memory after the bulk, without PostgreSQL: MB"
    CHECK_CALLS = "control checks: calls/s"
    CHECK_MESSAGES = "control checks: messages/s"
    DELAYED = "bulk with a slow provider: messages/s"
    DELAYED_PROCESSOR = "bulk with a slow provider: CPU s per 1,000 messages"
    WAITING_GATE = "a paused mass waits: gate and its PostgreSQL: % of a core"
    WAITING_EXECUTOR = "a paused mass waits: executor and its PostgreSQL: % of a core"
    WAITING_RATE = "a paused mass waits: another campaign's rate, of that without it"
    WAITING_RESUME = "a paused mass is resumed: s to the first send"


DELAYED = (Measure.DELAYED, Measure.DELAYED_PROCESSOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One figure of one contestant in one run. `parts` says what it is made of, such as CPU by process."""

    contestant: str
    measure: Measure
    value: float
    run: int = 0
    parts: Mapping[str, float] = field(default_factory=dict)


class Unfinished(Exception):
    """Tell that what was begun did not come to its end, and what was seen instead."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of `values` do not exceed."""
    if not values:
        raise Unfinished("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
