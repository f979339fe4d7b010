"""Fetch the log and what is known of it outside, have it checked, and say what was found. Judges nothing itself."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

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
from console.output import show, table
from whatlead.audit.v1 import evidence_pb2

if TYPE_CHECKING:
    from whatlead.audit.v1.evidence_pb2_grpc import EvidenceServiceAsyncStub

_CALL_SECONDS = 30.0
_PAGE = 1_000
_SHOWN = 10


class BadEvidence(Exception):
    """Tell what in the log is not what was signed."""


class BadKey(Exception):
    """Tell what is wrong with a file that a check needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a verifier has of its own: public keys, and the checkpoints that were copied out of the log's reach."""

    keys: Sequence[PublicKey]
    file: Path | None

    @classmethod
    def open(cls, keys: Sequence[Path], file: Path | None) -> "Outside":
        """Read the keys. Raises BadKey for a file that is not there or not one."""
        read = []
        for path in keys:
            try:
                read.append(PublicKey.parse(path.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError) as error:
                raise BadKey(f"{path} cannot be read ({error}): name the public key with --key") from None
            except NotGenuine as wrong:
                raise BadKey(f"{path} {wrong}") from None
        if file is not None and not file.is_file():
            raise BadKey(f"{file} is not there: name the file of exported checkpoints with --checkpoints")
        return cls(keys=read, file=file)

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Give the file's checkpoints. Raises BadEvidence for one that is not genuine or smaller than one before."""
        if self.file is None:
            return
        before = Checkpoint(size=0, root=b"")
        with self.file.open(encoding="utf-8", errors="replace") as lines:
            for number, note in enumerate(notes_of(lines), 1):
                checkpoint = self._read(note, f"checkpoint {number} in {self.file}")
                if checkpoint.size < before.size:
                    raise BadEvidence(f"checkpoint {number} in {self.file} is of fewer leaves than the one before it")
                if checkpoint.size == before.size and checkpoint != before:
                    raise BadEvidence(f"{self.file} has two checkpoints of {before.size} leaves that differ: a fork")
                before = checkpoint
                yield checkpoint

    def _read(self, note: str, source: str) -> Checkpoint:
        try:
            return read_note(note, self.keys)
        except NotGenuine as wrong:
            raise BadEvidence(f"{source} {wrong}") from None

    def signed(self, note: str) -> Checkpoint:
        """Return a checkpoint of audit's. Raises BadEvidence if it is not genuine."""
        return self._read(note, "a checkpoint of the log")


async def verify(
    log: "EvidenceServiceAsyncStub", outside: Outside, *, kept_since: datetime | None, as_json: bool
) -> None:
    """Check the whole log up to its newest checkpoint, and say so. Raises BadEvidence naming the first bad leaf."""
    walk = await walk_log(log, outside, kept_since=kept_since)
    _report(walk, as_json=as_json)


async def walk_log(log: "EvidenceServiceAsyncStub", outside: Outside, *, kept_since: datetime | None) -> Walk:
    """Walk the whole log up to its newest checkpoint. Raises BadEvidence for a checkpoint that is not genuine."""
    walk = Walk(sources=("the log", str(outside.file)), kept_since=kept_since)
    exported = outside.checkpoints()
    following = next(exported, None)
    newest = await _newest(log, outside)
    try:
        while walk.size < newest.size:
            request = evidence_pb2.ListLeavesRequest(start=walk.size, page_size=min(_PAGE, newest.size - walk.size))
            page = await log.ListLeaves(request, timeout=_CALL_SECONDS)
            stored = [outside.signed(note) for note in page.notes][::-1]
            if not page.leaves:
                break
            for leaf in page.leaves:
                walk.add(_leaf(leaf))
                while stored and stored[-1].size <= walk.size:
                    walk.check(stored.pop(), "the log")
                while following is not None and following.size == walk.size:
                    walk.check(following, str(outside.file))
                    following = next(exported, None)
            for stray in page.strays:
                walk.stray(stray.event_id, stray.position)
            if walk.size == newest.size and following is not None:  # the log grew meanwhile, or was cut
                newest = await _newest(log, outside)
        if walk.size == newest.size:
            walk.check(newest, "the log")
        else:
            walk.end(newest.size, "the log")
        if following is not None:  # of a log that was longer once
            walk.end(following.size, str(outside.file))
    except NotGenuine:
        pass  # it is among the problems
    return walk


async def _newest(log: "EvidenceServiceAsyncStub", outside: Outside) -> Checkpoint:
    return outside.signed((await log.GetCheckpoint(evidence_pb2.GetCheckpointRequest(), timeout=_CALL_SECONDS)).note)


def _leaf(leaf: evidence_pb2.Leaf) -> Leaf:
    return Leaf(
        position=leaf.position,
        hash=leaf.hash,
        event_id=leaf.event_id,
        body=leaf.body if leaf.HasField("body") else None,
        misfiled=leaf.misfiled,
    )


async def verify_event(log: "EvidenceServiceAsyncStub", outside: Outside, event_id: str, *, as_json: bool) -> None:
    """Check that one event is in the log, and the log the one that was exported. Raises BadEvidence."""
    request = evidence_pb2.GetInclusionProofRequest(event_id=event_id)
    proof = await log.GetInclusionProof(request, timeout=_CALL_SECONDS)
    newest = outside.signed(proof.note)
    named = f"event {event_id} (leaf {proof.position})"
    if proof.HasField("body") and leaf_hash(proof.body) != proof.leaf_hash:
        raise BadEvidence(f"{named}: its body is not what was sealed")
    if proof.misfiled:
        raise BadEvidence(f"{named}: its column {proof.misfiled} is not what its body says")
    last = deque(outside.checkpoints(), maxlen=1)
    try:
        check_inclusion(proof.leaf_hash, proof.position, newest, list(proof.hashes))
        if last:
            await _check_history(log, last[0], newest)
    except NotGenuine as wrong:
        raise BadEvidence(f"{named}: {wrong}") from None
    answer: dict[str, object] = {
        "event_id": event_id,
        "position": proof.position,
        "log_size": newest.size,
        "body_checked": proof.HasField("body"),
        "continues_exported": last[0].size if last else None,
    }
    show(answer, table("proven", ("", ""), answer.items()), as_is=as_json)


async def _check_history(log: "EvidenceServiceAsyncStub", last: Checkpoint, newest: Checkpoint) -> None:
    """Check that the log continues the exported one. Raises NotGenuine."""
    if last.size > newest.size:
        raise NotGenuine(f"the log ends at {newest.size} leaves, a checkpoint of {last.size} was exported")
    request = evidence_pb2.GetConsistencyProofRequest(from_size=last.size, to_size=newest.size)
    path = (await log.GetConsistencyProof(request, timeout=_CALL_SECONDS)).hashes
    check_consistency(last, newest, list(path))


def _report(walk: Walk, *, as_json: bool) -> None:
    problems = sorted(walk.problems, key=lambda problem: problem.position)
    answer: dict[str, object] = {
        "leaves": walk.size,
        "bodies_checked": walk.bodies,
        "bodies_gone": walk.gone,
        "of_others": walk.size - walk.bodies - walk.gone,
        "checkpoints_checked": walk.checkpoints,
        "problems": [str(problem) for problem in problems[:_SHOWN]],
        "problems_in_all": walk.found,
    }
    show(answer, table("the log", ("", ""), list(answer.items())), as_is=as_json)
    if problems:
        raise BadEvidence(str(problems[0]))
