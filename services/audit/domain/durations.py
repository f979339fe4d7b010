"""Durations in log-scale buckets that add up: counts and sums exact, quantiles within 2 %. Knows not what lasted.

The buckets are those of DDSketch (Masson, Rim, Lee 2019): each is wider than the one before by the same factor, and
bucket 0 holds the durations of 0. Merging adds bucket by bucket, so what was merged how does not matter.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

RELATIVE_ERROR = 0.02

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bucket_of(microseconds: int) -> int:
    """Return the bucket of a duration that is not negative."""
    return 1 + math.ceil(math.log(microseconds) / _LOG_GAMMA) if microseconds else 0


def middle_of(bucket: int) -> float:
    """Return the microseconds that are at most 2 % from every duration in the bucket."""
    return 2 * _GAMMA ** (bucket - 1) / (_GAMMA + 1) if bucket else 0.0


@dataclass(slots=True, kw_only=True)
class Durations:
    """How many there were, their sum in microseconds, and how many lie in each bucket."""

    count: int = 0
    total_us: int = 0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, microseconds: int) -> None:
        """Take one more."""
        self.count += 1
        self.total_us += microseconds
        bucket = bucket_of(microseconds)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1  # not `+=`, which takes Counter's slow way for a new one

    @classmethod
    def merged(cls, parts: Iterable[Self]) -> Self:
        """Return what all parts hold together."""
        whole = cls()
        for part in parts:
            whole.count += part.count
            whole.total_us += part.total_us
            whole.buckets.update(part.buckets)
        return whole

    @property
    def average(self) -> timedelta:
        """Return the mean, rounded down to the microsecond; 0 of none."""
        return timedelta(microseconds=self.total_us // self.count if self.count else 0)

    def quantile(self, share: float) -> timedelta:
        """Return the least duration that at least this share of all does not exceed, within 2 %; 0 of none."""
        rank = max(1, math.ceil(share * self.buckets.total()))
        passed = 0
        for bucket in sorted(self.buckets):
            passed += self.buckets[bucket]
            if passed >= rank:
                return timedelta(microseconds=middle_of(bucket))
        return timedelta(0)
