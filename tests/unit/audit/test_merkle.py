"""The tree against the published vectors of RFC 6962 logs, and against the RFC's own recursive definitions."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.console.rfc6962 import CONSISTENCY, INCLUSION, LEAVES, ROOTS

from audit.domain.merkle import (
    Missing,
    Place,
    Tree,
    consistency_parts,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_over,
    roots_of,
    runs_below,
    tree_of,
)


def grown(leaves: list[bytes]) -> tuple[Tree, dict[Place, bytes]]:
    """Return the tree of those leaves, and all that is stored of it."""
    tree = Tree()
    stored: dict[Place, bytes] = {(0, number): digest for number, digest in enumerate(leaves)}
    stored |= dict(tree.append(leaves))
    return tree, stored


def only(stored: dict[Place, bytes], ranges: list[tuple[int, int]]) -> dict[Place, bytes]:
    """Return what a store would give for those ranges."""
    wanted = {(run.level, number) for run in runs_below(ranges) for number in range(run.first, run.end)}
    return {place: digest for place, digest in stored.items() if place in wanted}


def by_the_rfc(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(by_the_rfc(leaves[:k]), by_the_rfc(leaves[k:]))


def path_by_the_rfc(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path_by_the_rfc(m, leaves[:k]), by_the_rfc(leaves[k:])]
    return [*path_by_the_rfc(m - k, leaves[k:]), by_the_rfc(leaves[:k])]


def proof_by_the_rfc(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    if m == len(leaves):
        return [] if whole else [by_the_rfc(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*proof_by_the_rfc(m, leaves[:k], whole), by_the_rfc(leaves[k:])]
    return [*proof_by_the_rfc(m - k, leaves[k:], False), by_the_rfc(leaves[:k])]


def consistency(old: int, new: int, stored: dict[Place, bytes]) -> list[bytes]:
    parts = consistency_parts(old, new)
    proof = parts[1:] if parts[0][0] == 0 else parts
    return roots_of(proof, only(stored, proof))


def test_the_published_roots() -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    assert [grown(hashes[:size])[0].root().hex() for size in range(9)] == ROOTS


@pytest.mark.parametrize(("position", "size"), INCLUSION)
def test_the_published_inclusion_paths(position: int, size: int) -> None:
    _, stored = grown([leaf_hash(leaf) for leaf in LEAVES])
    path = inclusion_path(position, size)
    assert [one.hex() for one in roots_of(path, only(stored, path))] == INCLUSION[position, size]


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_published_consistency_paths(old: int, new: int) -> None:
    _, stored = grown([leaf_hash(leaf) for leaf in LEAVES])
    assert [one.hex() for one in consistency(old, new, stored)] == CONSISTENCY[old, new]


sizes = st.integers(1, 700)  # several stored nodes of the first kept level


@settings(max_examples=40, deadline=None)
@given(size=sizes, data=st.data())
def test_whatever_is_grown_in_parts_is_the_tree_of_the_rfc(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(number.to_bytes(2)) for number in range(size)]
    tree, stored = grown(leaves)
    assert tree.root() == by_the_rfc(leaves)
    before = data.draw(st.integers(0, size))
    again = tree_of(before, only(stored, [(0, before)]))
    assert again.root() == by_the_rfc(leaves[:before])
    assert dict(again.append(leaves[before:])).items() <= stored.items()
    assert again == tree
    position = data.draw(st.integers(0, size - 1))
    path = inclusion_path(position, size)
    assert roots_of(path, only(stored, path)) == path_by_the_rfc(position, leaves)
    old = data.draw(st.integers(1, size))
    assert consistency(old, size, stored) == proof_by_the_rfc(old, leaves)
    parts = consistency_parts(old, size)
    known = dict(zip(parts, roots_of(parts, only(stored, parts)), strict=True))
    assert (root_over(old, known), root_over(size, known)) == (by_the_rfc(leaves[:old]), by_the_rfc(leaves))


def test_a_node_that_is_gone_is_named() -> None:
    _, stored = grown([leaf_hash(number.to_bytes(2)) for number in range(600)])
    del stored[8, 1]
    with pytest.raises(Missing, match="node 1 of level 8"):
        tree_of(600, stored)
    del stored[0, 599]
    with pytest.raises(Missing, match="leaf 599"):
        roots_of([(599, 600)], stored)


def test_few_stored_hashes_make_up_a_proof_of_a_large_log() -> None:
    path = inclusion_path(123_456_789, 1_000_000_007)
    assert sum(run.end - run.first for run in runs_below(path)) < 2_500
