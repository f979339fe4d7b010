"""The stand-alone verifier: published vectors, nothing but the true proof passes, and what it says of a bad log."""

import base64
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.console.rfc6962 import CONSISTENCY, INCLUSION, LEAVES, ROOTS

from audit.domain.checkpoint import Checkpoint as Signable
from audit.domain.checkpoint import Refused
from audit.domain.merkle import Tree
from audit.infrastructure.notary import Notary
from console.evidence import (
    Checkpoint,
    Leaf,
    NotGenuine,
    PublicKey,
    Walk,
    check_consistency,
    check_inclusion,
    leaf_hash,
    notes_of,
    read_note,
)
from console.pki import public_line

# The example of golang.org/x/mod/sumdb/note, the package that the C2SP signed-note form comes from.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PUBLISHED_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
KEY = Ed25519PrivateKey.generate()
PUBLIC = PublicKey.parse(public_line(KEY))


def root_of(size: int) -> Checkpoint:
    return Checkpoint(size=size, root=bytes.fromhex(ROOTS[size]))


def hashes(path: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in path]


@pytest.mark.parametrize(("position", "size"), INCLUSION)
def test_published_inclusion_proofs_hold_and_no_other_does(position: int, size: int) -> None:
    leaf, path = leaf_hash(LEAVES[position]), hashes(INCLUSION[position, size])
    check_inclusion(leaf, position, root_of(size), path)
    wrong: list[tuple[bytes, int, Checkpoint, list[bytes]]] = [
        (leaf_hash(b"x"), position, root_of(size), path),
        (leaf, position + 1, root_of(size), path),
        (leaf, size, root_of(size), path),
        (leaf, position, Checkpoint(size=size, root=bytes(32)), path),
        (leaf, position, root_of(size), [*path, bytes(32)]),
        *((leaf, position, root_of(size), path[:cut]) for cut in range(len(path))),
        *((leaf, position, root_of(size), [*path[:at], bytes(32), *path[at + 1 :]]) for at in range(len(path))),
    ]
    for one in wrong:
        with pytest.raises(NotGenuine):
            check_inclusion(*one)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_published_consistency_proofs_hold_and_no_other_does(old: int, new: int) -> None:
    path = hashes(CONSISTENCY[old, new])
    check_consistency(root_of(old), root_of(new), path)
    wrong: list[tuple[Checkpoint, Checkpoint, list[bytes]]] = [
        (Checkpoint(size=old, root=bytes(32)), root_of(new), path),
        (root_of(old), Checkpoint(size=new, root=bytes(32)), path),
        (root_of(old), root_of(new), [*path, bytes(32)]),
        (Checkpoint(size=0, root=bytes.fromhex(ROOTS[0])), root_of(new), path),
        *((root_of(old), root_of(new), path[:cut]) for cut in range(len(path))),
        *((root_of(old), root_of(new), [*path[:at], bytes(32), *path[at + 1 :]]) for at in range(len(path))),
    ]
    for one in wrong:
        with pytest.raises(NotGenuine):
            check_consistency(*one)


def test_a_published_signed_note_is_read_as_others_read_it() -> None:
    key = PublicKey.parse(PUBLISHED_KEY)
    raw = base64.b64decode(PUBLISHED_SIGNATURE.split(" ")[2])
    key.key.verify(raw[4:], PUBLISHED_TEXT.encode())
    assert raw[:4] == key.key_id


def test_what_audit_signs_is_what_the_verifier_reads() -> None:
    note = Notary(KEY).sign(Signable(size=8, root=bytes.fromhex(ROOTS[8])))
    assert read_note(note, [PUBLIC]) == root_of(8)
    assert note.split("\n")[:4] == ["whatlead/audit", "8", "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=", ""]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_changed_note_is_taken(data: st.DataObject) -> None:
    note = Notary(KEY).sign(Signable(size=123_456, root=sha256(b"x").digest()))
    at = data.draw(st.integers(0, len(note) - 2))  # the last line break may be missing
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[at]))
    with pytest.raises(NotGenuine):
        read_note(note[:at] + other + note[at + 1 :], [PUBLIC])


def test_another_key_is_not_taken_and_a_former_one_is() -> None:
    former = Ed25519PrivateKey.generate()
    checkpoint = Signable(size=8, root=bytes.fromhex(ROOTS[8]))
    note = Notary(former).sign(checkpoint)
    with pytest.raises(NotGenuine, match="signature of the key"):
        read_note(note, [PUBLIC])
    with pytest.raises(Refused, match="not signed with the evidence key"):
        Notary(KEY).read(note)
    assert read_note(note, [PUBLIC, PublicKey.parse(public_line(former))]) == root_of(8)
    assert Notary(KEY, [former.public_key()]).read(note) == checkpoint


@pytest.mark.parametrize("text", ["", "x", "a+b", "whatlead/audit+00000000+AAAA", PUBLISHED_KEY.replace("c7", "c8")])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(NotGenuine):
        PublicKey.parse(text)


def test_notes_in_a_file_are_found_one_by_one_and_a_torn_one_is_not_passed_over() -> None:
    notes = [Notary(KEY).sign(Signable(size=size, root=bytes.fromhex(ROOTS[size]))) for size in (1, 3, 8)]
    lines = "\n".join(notes).splitlines(keepends=True)
    assert list(notes_of(lines)) == notes
    torn = list(notes_of(lines[:-2]))
    assert torn[:2] == notes[:2]
    with pytest.raises(NotGenuine):
        read_note(torn[2], [PUBLIC])


EVENT = "01890a5d-ac96-774b-bcce-b302099a8057"  # of 2023-06-30


def walked(bodies: list[bytes], checks: Sequence[int], changed: int | None = None, **walk: datetime) -> Walk:
    """Walk along leaves of those bodies; the checkpoints are of a log in which one leaf was another."""
    made, honest = Walk(sources=["the log"], **walk), Tree()
    for position, body in enumerate(bodies):
        list(honest.append([leaf_hash(b"honest" if position == changed else body)]))
        made.add(Leaf(position=position, hash=leaf_hash(body), event_id=EVENT, body=body))
        if made.size in checks:
            made.check(Checkpoint(size=honest.size, root=honest.root()), "the log")
    return made


BODIES = [bytes([number]) for number in range(9)]


def test_an_honest_log_has_no_problem() -> None:
    walk = walked(BODIES, checks=[1, 2, 5, 9])
    assert (walk.problems, walk.bodies, walk.checkpoints) == ([], 9, 4)


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([5, 6, 9], f"leaf 5 (event {EVENT}) is not what was signed"),
        ([3, 9], f"one of leaf 3 (event {EVENT}) to leaf 8 (event {EVENT}) is not what was signed"),
    ],
)
def test_a_changed_leaf_is_named_as_closely_as_checkpoints_tell(checks: list[int], said: str) -> None:
    walk = walked(BODIES, checks=checks, changed=5)
    assert walk.first is not None
    assert str(walk.first).startswith(said)
    assert len(walk.problems) == 1  # what follows from it is no further problem


def test_a_history_that_its_own_checkpoints_fit_is_held_against_those_outside() -> None:
    walk, honest, forged = Walk(sources=["the log", "the file"]), Tree(), Tree()
    for position in range(9):
        body = b"forged" if position == 4 else b"honest"
        list(honest.append([leaf_hash(b"honest")]))
        list(forged.append([leaf_hash(body)]))
        walk.add(Leaf(position=position, hash=leaf_hash(body), event_id=EVENT, body=body))
        walk.check(Checkpoint(size=walk.size, root=forged.root()), "the log")
        if walk.size in {3, 8}:
            walk.check(Checkpoint(size=walk.size, root=honest.root()), "the file")
    assert [str(problem) for problem in walk.problems] == [
        (
            f"one of leaf 3 (event {EVENT}) to leaf 7 (event {EVENT}) is not what was signed: the tree fits the"
            " checkpoints up to 3 leaves, but not that of 8 in the file"
        )
    ]


def test_the_earliest_of_several_problems_is_the_first() -> None:
    walk = Walk(sources=["the file"])
    walk.add(Leaf(position=0, hash=leaf_hash(b"a"), event_id=EVENT, body=b"a"))
    walk.add(Leaf(position=1, hash=leaf_hash(b"b"), event_id=EVENT, body=b"x"))
    walk.stray("an-event", 0)
    assert str(walk.first) == "event an-event was added after the sealing: it belongs before leaf 0"
    with pytest.raises(NotGenuine):
        walk.add(Leaf(position=3, hash=leaf_hash(b"d"), event_id=EVENT, body=b"d"))
    walk.end(7, "the file")
    assert [problem.position for problem in walk.problems] == [1, 0, 2, 2]


@pytest.mark.parametrize(
    ("kept_since", "problems"),
    [(None, 1), (datetime(2023, 6, 1, tzinfo=UTC), 1), (datetime(2023, 8, 1, tzinfo=UTC), 0)],
)
def test_a_body_may_be_gone_only_from_before_the_time_that_all_are_kept(
    kept_since: datetime | None, problems: int
) -> None:
    walk = Walk(sources=[], kept_since=kept_since)
    walk.add(Leaf(position=0, hash=leaf_hash(b"a"), event_id=EVENT))
    walk.add(Leaf(position=1, hash=leaf_hash(b"b")))  # another organization's
    assert (len(walk.problems), walk.gone, walk.bodies) == (problems, 1, 0)


def test_it_stands_alone() -> None:
    """Nothing of WhatLead, and nothing that reaches a network, is needed to check a log."""
    listed = "import sys, console.evidence; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    ours = {"audit", "chassis", "kernel", "whatlead", "gate", "executor", "control", "grpc", "google", "sqlalchemy"}
    assert "cryptography" in done.stdout.split()
    assert not ours & set(done.stdout.split())
