"""Seal events: make leaves of what is committed, sign the tree, copy the checkpoint out. Knows no SQL and no key.

Leaves, nodes and checkpoint are one commit. Nothing is signed that does not continue what was signed before, by the
database and by the file outside it; then sealing stops and says so, and goes on when both agree again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from audit.domain.checkpoint import Checkpoint, Refused
from audit.domain.merkle import Missing, Place, Tree, consistency_parts, root_over
from kernel.errors import Failure

EVERY_SECONDS = 1.0
SUMMARIZE_EVERY_SECONDS = 10.0
SUMMARIZE_AFTER_EVENTS = 5_000
REPEAT_ALARM_SECONDS = 60.0

log = structlog.get_logger()


class Sealing(Protocol):
    """One transaction in which the log grows; nobody else seals meanwhile."""

    async def newest(self) -> str | None:
        """Return the newest checkpoint's note."""
        ...

    async def tree(self, size: int) -> Tree:
        """Return the tree of the first `size` leaves, from what is stored. Raises Missing."""
        ...

    async def roots(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return the root of each range of leaves. Raises Missing."""
        ...

    async def append(self, size: int) -> Sequence[bytes]:
        """Make leaves of the next events and return their hashes. Raises Refused if the log does not have that size."""
        ...

    async def keep(self, nodes: Sequence[tuple[Place, bytes]], *, size: int, note: str) -> None:
        """Store what follows from new leaves."""
        ...

    @property
    def more(self) -> bool:
        """Whether events may be waiting that `append` left for the next time."""
        ...


class Notary(Protocol):
    """Who signs."""

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note of a checkpoint."""
        ...

    def read(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note. Raises Refused if the signature is not good."""
        ...


class Journal(Protocol):
    """Where checkpoints are copied to."""

    def newest(self) -> str | None:
        """Return the last note."""
        ...

    def append(self, note: str) -> None:
        """Add a note."""
        ...


async def seal(
    *, sealing: Callable[[], AbstractAsyncContextManager[Sealing | None]], notary: Notary, journal: Journal
) -> tuple[int, bool]:
    """Seal the next events; return how many, and whether more may wait. Raises Refused rather than sign a fork."""
    async with sealing() as work:
        if work is None:  # another replica is at it
            return 0, False
        note = await work.newest()
        exported = await asyncio.to_thread(journal.newest)
        try:
            tree = await _signed_tree(work, note, exported, notary)
        except Missing as missing:
            raise Refused(f"{missing} is not stored") from missing
        hashes = await work.append(tree.size)
        if hashes:
            nodes = list(tree.append(hashes))
            note = notary.sign(Checkpoint(size=tree.size, root=tree.root()))
            await work.keep(nodes, size=tree.size, note=note)
    if note is not None and note != exported:
        await asyncio.to_thread(journal.append, note)
    return len(hashes), work.more


async def _signed_tree(work: Sealing, note: str | None, exported: str | None, notary: Notary) -> Tree:
    """Return the tree as it was last signed. Raises Refused if what is stored or exported says otherwise."""
    last = notary.read(note) if note is not None else Checkpoint(size=0, root=Tree().root())
    tree = await work.tree(last.size)
    if tree.root() != last.root:
        raise Refused(f"the stored tree does not have the root that was signed for its first {last.size} leaves")
    outside = notary.read(exported) if exported is not None else None
    if outside is None or outside == last:
        return tree
    if outside.size >= last.size:
        raise Refused(
            f"the checkpoint file knows a log of {outside.size} leaves and another root, the database ends at"
            f" {last.size}: it lost events, or another log is stored there"
        )
    parts = consistency_parts(outside.size, last.size)
    roots = dict(zip(parts, await work.roots(parts), strict=True))
    if (root_over(outside.size, roots), root_over(last.size, roots)) != (outside.root, last.root):
        raise Refused(f"the stored log is not the one whose first {outside.size} leaves the checkpoint file names")
    return tree


async def keep_sealing(
    stop: asyncio.Event,
    *,
    seal: Callable[[], Awaitable[tuple[int, bool]]],
    summarize: Callable[[], Awaitable[None]],
    count: Callable[[int], None],
    alarm: Callable[[Refused], None],
) -> None:
    """Seal once a second until `stop`; while more waits, rest as long as a round took, for ingest's sake."""
    summarized = alarmed = -REPEAT_ALARM_SECONDS
    unsummarized = 0  # events that each look reads again
    while not stop.is_set():
        began = time.monotonic()
        rest = EVERY_SECONDS
        try:
            sealed, more = await seal()
            count(sealed)
            unsummarized += sealed
            due = began - summarized >= SUMMARIZE_EVERY_SECONDS or unsummarized >= SUMMARIZE_AFTER_EVENTS
            if unsummarized and due:
                await summarize()
                summarized, unsummarized = began, 0
            if more:
                rest = time.monotonic() - began
        except Refused as refused:
            if began - alarmed >= REPEAT_ALARM_SECONDS:
                alarm(refused)
                alarmed = began
        except Failure as failure:
            log.warning("evidence.postponed", reason=failure.reason, problem=failure.message)
        try:
            async with asyncio.timeout(rest):
                await stop.wait()
        except TimeoutError:
            continue
