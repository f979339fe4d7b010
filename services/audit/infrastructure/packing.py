"""Buckets as one decimal number, so that PostgreSQL merges histograms with `+` and `sum`. Knows nothing of durations.

Bucket 0 has the last twelve digits, bucket 1 the twelve before them, and so on: a bucket holds less than 10^12.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

_DIGITS = 12


def pack(buckets: Mapping[int, int]) -> str:
    """Write the buckets as a number, with an exponent in place of the empty ones at its end."""
    if not buckets:
        return "0"
    lowest = min(buckets)
    digits = "".join([f"{buckets.get(bucket, 0):012d}" for bucket in range(max(buckets), lowest - 1, -1)])
    return f"{digits}e{lowest * _DIGITS}"


def unpack(packed: Decimal) -> Counter[int]:
    """Read the buckets that are not empty."""
    if not packed:
        return Counter()  # Most rows are of events that have no duration.
    digits = f"{packed:f}"
    lowest = (len(digits) - len(digits.rstrip("0"))) // _DIGITS
    ends = range(len(digits) - lowest * _DIGITS, 0, -_DIGITS)
    found = (int(digits[max(0, end - _DIGITS) : end]) for end in ends)
    return Counter({bucket: events for bucket, events in enumerate(found, lowest) if events})
