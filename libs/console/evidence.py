"""Check a signed log of RFC 6962 with nothing but its public key. Knows no service, no file and no network.

Written apart from the code that makes the log: only hashes, signatures and what is handed in decide.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = b"\x01"
_MOST_KEPT = 1_000


class NotGenuine(Exception):
    """Tell what is wrong with a key, a note or a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """What checks a log's signatures: the log's name, and the key."""

    name: str
    key_id: bytes
    key: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+id+key` (C2SP signed-note). Raises NotGenuine."""
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
            key = Ed25519PublicKey.from_public_bytes(raw[1:])
        except ValueError:
            raise NotGenuine("is not a public key of the form name+id+key") from None
        if raw[:1] != _ED25519 or sha256(f"{name}\n".encode() + raw).hexdigest()[:8] != key_id:
            raise NotGenuine("is not an Ed25519 key with the id that it names")
        return cls(name=name, key_id=bytes.fromhex(key_id), key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A root that was signed: of the log's first `size` leaves."""

    size: int
    root: bytes


def read_note(note: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """Return the checkpoint that a note holds. Raises NotGenuine unless one of `keys` signed it."""
    text, gap, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) < 3:
        raise NotGenuine("is not a signed checkpoint")
    if not any(_signed(line, f"{text}\n", key, origin=lines[0]) for line in signatures.splitlines() for key in keys):
        raise NotGenuine("does not bear a signature of the key")
    try:
        return Checkpoint(size=int(lines[1]), root=base64.b64decode(lines[2], validate=True))
    except ValueError:
        raise NotGenuine("is signed, but is not a checkpoint") from None


def _signed(line: str, text: str, key: PublicKey, *, origin: str) -> bool:
    mark, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if (mark, name, origin) != ("—", key.name, key.name):
        return False
    try:
        raw = base64.b64decode(encoded, validate=True)
        key.key.verify(raw[4:], text.encode())
    except (ValueError, InvalidSignature):
        return False
    return raw[:4] == key.key_id


def notes_of(lines: Iterable[str]) -> Iterator[str]:
    """Split a file of notes; what is no whole note comes as it is."""
    note: list[str] = []
    for line in lines:
        if not note and not line.strip():
            continue
        note.append(line)
        if line.startswith("— "):
            yield "".join(note)
            note = []
    if note:
        yield "".join(note)


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + body).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def check_inclusion(leaf: bytes, position: int, checkpoint: Checkpoint, path: Sequence[bytes]) -> None:
    """Check that a leaf is at that place of the tree (RFC 9162, 2.1.3.2). Raises NotGenuine."""
    number, last, root = position, checkpoint.size - 1, leaf
    if position > last:
        raise NotGenuine(f"leaf {position} is beyond the checkpoint's {checkpoint.size} leaves")
    for other in path:
        if last == 0:
            raise NotGenuine("the path is too long")
        if number & 1 or number == last:
            root = _node(other, root)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            root = _node(root, other)
        number, last = number >> 1, last >> 1
    if last or root != checkpoint.root:
        raise NotGenuine("the path does not lead from the leaf to the signed root")


def check_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """Check that the tree of `new` begins with that of `old` (RFC 9162, 2.1.4.2). Raises NotGenuine."""
    if old.size > new.size or old.size < 1:
        raise NotGenuine(f"a log of {new.size} leaves does not begin with one of {old.size}")
    if old.size == new.size:
        if path or old.root != new.root:
            raise NotGenuine("two roots of the same size differ")
        return
    hashes = list(path) if old.size & (old.size - 1) else [old.root, *path]
    number, last = old.size - 1, new.size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    if not hashes:
        raise NotGenuine("the path is too short")
    old_root = new_root = hashes[0]
    for other in hashes[1:]:
        if last == 0:
            raise NotGenuine("the path is too long")
        if number & 1 or number == last:
            old_root, new_root = _node(other, old_root), _node(other, new_root)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            new_root = _node(new_root, other)
        number, last = number >> 1, last >> 1
    if last or (old_root, new_root) != (old.root, new.root):
        raise NotGenuine("the path does not lead from the one root to the other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it was sealed, and the first leaf it concerns."""

    position: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf as it was fetched; without an event id it is another organization's.

    `misfiled` names a column of the stored event that its body contradicts.
    """

    position: int
    hash: bytes
    event_id: str = ""
    body: bytes | None = None
    misfiled: str = ""

    def __str__(self) -> str:
        return f"leaf {self.position}" + (f" (event {self.event_id})" if self.event_id else "")


@dataclass(slots=True, kw_only=True)
class _Witness:
    """A source of checkpoints, held against the tree by itself: who forks one does not fork the other."""

    fits: int = 0
    since: list[Leaf] = field(default_factory=list)  # the first and the last leaf after those that are known to fit
    broken: bool = False


@dataclass(slots=True, kw_only=True)
class Walk:
    """A walk along the log, leaf by leaf and checkpoint by checkpoint, in memory that does not grow with it.

    Checkpoints come from `sources`. Bodies recorded before `kept_since` may be gone; nothing else may.
    """

    sources: InitVar[Sequence[str]]
    kept_since: datetime | None = None
    size: int = 0
    bodies: int = 0
    gone: int = 0
    checkpoints: int = 0
    found: int = 0
    problems: list[Problem] = field(default_factory=list)  # the first of those found
    _peaks: list[tuple[int, bytes]] = field(default_factory=list)
    _witnesses: dict[str, _Witness] = field(init=False)

    def __post_init__(self, sources: Sequence[str]) -> None:
        self._witnesses = {source: _Witness() for source in sources}

    @property
    def first(self) -> Problem | None:
        """What is wrong earliest in the log."""
        return min(self.problems, key=lambda problem: problem.position, default=None)

    def add(self, leaf: Leaf) -> None:
        """Take the next leaf. Raises NotGenuine if it is not the next: nothing after it can be checked."""
        if leaf.position != self.size:
            self._complain(self.size, f"leaf {self.size} is missing: leaf {leaf.position} follows")
            raise NotGenuine("the log has a gap")
        if leaf.event_id:
            self._check_body(leaf)
        for witness in self._witnesses.values():
            witness.since = [*witness.since[:1], leaf]
        level, root = 0, leaf.hash
        while self._peaks and self._peaks[-1][0] == level:
            level, root = level + 1, _node(self._peaks.pop()[1], root)
        self._peaks.append((level, root))
        self.size += 1

    def check(self, checkpoint: Checkpoint, source: str) -> None:
        """Compare the tree so far with a checkpoint of its size. A source is known from the beginning."""
        assert checkpoint.size == self.size  # noqa: S101 - the caller's duty
        self.checkpoints += 1
        witness = self._witnesses[source]
        if witness.broken:
            return  # what follows is no further problem
        if checkpoint.root == self._root():
            witness.fits, witness.since = self.size, []
            return
        witness.broken = True
        named = " to ".join(dict.fromkeys(str(leaf) for leaf in witness.since)) or f"leaf {witness.fits}"
        self._complain(
            witness.fits,
            f"{'one of ' if self.size - witness.fits > 1 else ''}{named} is not what was signed: the tree fits the"
            f" checkpoints up to {witness.fits} leaves, but not that of {self.size} in {source}",
        )

    def stray(self, event_id: str, position: int) -> None:
        """Take note of an event that lies between leaves and is none."""
        self._complain(position, f"event {event_id} was added after the sealing: it belongs before leaf {position}")

    def end(self, expected: int, source: str) -> None:
        """Say that no more leaves come, though a checkpoint of `expected` leaves is known."""
        if expected > self.size:
            self._complain(
                self.size,
                f"leaf {self.size} is missing: the log ends there, and {source} has a checkpoint of {expected} leaves;"
                f" the tree fits the checkpoints up to {self._witnesses[source].fits} leaves",
            )

    def _check_body(self, leaf: Leaf) -> None:
        if leaf.body is None:
            recorded = datetime.fromtimestamp((UUID(leaf.event_id).int >> 80) / 1000, UTC)
            self.gone += 1
            if self.kept_since is None or recorded >= self.kept_since:
                self._complain(leaf.position, f"{leaf}: its body is gone")
        elif leaf_hash(leaf.body) != leaf.hash:
            self._complain(leaf.position, f"{leaf}: its body is not what was sealed")
        else:
            self.bodies += 1
            if leaf.misfiled:
                self._complain(leaf.position, f"{leaf}: its column {leaf.misfiled} is not what its body says")

    def _root(self) -> bytes:
        root = self._peaks[-1][1] if self._peaks else sha256().digest()
        for _, peak in reversed(self._peaks[:-1]):
            root = _node(peak, root)
        return root

    def _complain(self, position: int, text: str) -> None:
        self.found += 1
        if len(self.problems) < _MOST_KEPT:
            self.problems.append(Problem(position=position, text=text))
