"""The tree of RFC 6962, kept as its leaves and every eighth level. Knows no event, key or store.

Leaf = SHA-256(0x00 ‖ body), node = SHA-256(0x01 ‖ left ‖ right). Of the nodes only those of perfect subtrees of 256,
65,536, … leaves are stored; any other is computed from at most 255 hashes a level below it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from hashlib import sha256
from typing import NamedTuple

STORED_EVERY = 8

Place = tuple[int, int]  # a node: its level (a leaf's is 0) and its number on that level


class Run(NamedTuple):
    """Neighbouring stored nodes of one level: from `first` to before `end`."""

    level: int
    first: int
    end: int


class Missing(Exception):
    """Tell that a node which must be stored is not."""


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\0" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return sha256(b"\1" + left + right).digest()


@dataclass(slots=True, kw_only=True)
class Tree:
    """A tree that grows: its size and the roots of its perfect subtrees, left to right, each smaller than the last."""

    size: int = 0
    peaks: list[tuple[int, bytes]] = field(default_factory=list)

    def append(self, hashes: Iterable[bytes]) -> Iterator[tuple[Place, bytes]]:
        """Add leaves, and give each node that came to be and is to be stored."""
        for grown in hashes:
            level, number = 0, self.size
            while self.peaks and self.peaks[-1][0] == level:
                grown = node_hash(self.peaks.pop()[1], grown)
                level, number = level + 1, number >> 1
                if level % STORED_EVERY == 0:
                    yield (level, number), grown
            self.peaks.append((level, grown))
            self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        return _fold([peak for _, peak in self.peaks])


def tree_of(size: int, stored: Mapping[Place, bytes]) -> Tree:
    """Return the tree of the first `size` leaves. `stored` holds the runs of `runs_below([(0, size)])`."""
    return Tree(size=size, peaks=[(level, _perfect(level, number, stored)) for level, number in _cover(0, size)])


def inclusion_path(position: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges of leaves whose roots prove that a leaf is in a tree of that size, from the leaf upwards."""
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _split(end - start)
        if position < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_parts(old: int, new: int) -> list[tuple[int, int]]:
    """Return the ranges of leaves from whose roots those of a tree of `old` and of one of `new` leaves are computed.

    The proof leaves out the first if it begins with leaf 0: it is the old tree itself.
    """
    start, end = 0, new
    parts = []
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start = middle
    return [(start, end), *reversed(parts)]


def root_over(size: int, parts: Mapping[tuple[int, int], bytes]) -> bytes:
    """Return the root of the first `size` leaves, from those of ranges that make it up."""

    def root(start: int, end: int) -> bytes:
        if (start, end) in parts:
            return parts[start, end]
        middle = start + _split(end - start)
        return node_hash(root(start, middle), root(middle, end))

    return root(0, size)


def runs_below(ranges: Iterable[tuple[int, int]]) -> list[Run]:
    """Return which stored nodes the roots of `ranges` are computed from."""
    runs = []
    for start, end in ranges:
        for level, number in _cover(start, end):
            above = level % STORED_EVERY
            runs.append(Run(level - above, number << above, (number + 1) << above))
    return runs


def roots_of(ranges: Iterable[tuple[int, int]], stored: Mapping[Place, bytes]) -> list[bytes]:
    """Return the root of each range. `stored` holds the runs of `runs_below(ranges)`."""
    return [_fold([_perfect(level, number, stored) for level, number in _cover(*one)]) for one in ranges]


def _cover(start: int, end: int) -> Iterator[Place]:
    """Split a range of leaves into perfect subtrees, as large as they can be."""
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield level, start >> level
        start += 1 << level


def _perfect(level: int, number: int, stored: Mapping[Place, bytes]) -> bytes:
    if level % STORED_EVERY:
        left = _perfect(level - 1, 2 * number, stored)
        return node_hash(left, _perfect(level - 1, 2 * number + 1, stored))
    try:
        return stored[level, number]
    except KeyError:
        raise Missing(f"leaf {number}" if level == 0 else f"node {number} of level {level}") from None


def _fold(roots: Sequence[bytes]) -> bytes:
    if not roots:
        return sha256().digest()
    return reduce(lambda right, left: node_hash(left, right), reversed(roots))


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
