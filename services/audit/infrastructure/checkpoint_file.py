"""Copy checkpoints to a file outside the database, one note after another. Never rewrites what is there.

What a crash left of a note that was being written is cut off: it was never complete.
"""

import os
import re
from pathlib import Path

from audit.domain.checkpoint import ORIGIN, Refused

_TAIL_BYTES = 4096
_ORIGIN = ORIGIN.encode()
_NOTE = re.compile(rb"^%b\n\d+\n[\w+/=]+\n\n(?:%b \S+ \S+\n)+" % (re.escape(_ORIGIN), "—".encode()), re.MULTILINE)


class CheckpointFile:
    """A file that grows by one note at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self) -> str | None:
        """Return the last note; None if there is none yet. Raises Refused if the file holds anything else."""
        return self._read()[0]

    def append(self, note: str) -> None:
        """Add a note, and return when it is on the disk. Raises Refused if it cannot be written."""
        _, whole = self._read()
        try:
            new = not self._path.exists()
            with self._path.open("ab") as file:
                if file.tell() > whole:
                    file.truncate(whole)
                file.write(note.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if new:
                _sync_folder(self._path.parent)
        except OSError as error:
            raise Refused(f"the checkpoint file {self._path} cannot be written: {error.strerror}") from error

    def _read(self) -> tuple[str | None, int]:
        """Return the last whole note, and the length of the file up to its end."""
        try:
            with self._path.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                start = file.seek(max(0, length - _TAIL_BYTES))
                tail = file.read()
        except FileNotFoundError:
            return None, 0
        except OSError as error:
            raise Refused(f"the checkpoint file {self._path} cannot be read: {error.strerror}") from error
        notes = list(_NOTE.finditer(tail))
        rest = tail[notes[-1].end() :] if notes else tail
        if not _begins_a_note(rest.removeprefix(b"\n")) or (not notes and start):
            raise Refused(f"{self._path} is not a file of checkpoints")
        if not notes:
            return None, 0
        return notes[-1].group().decode(), start + notes[-1].end() + rest.startswith(b"\n")


def _begins_a_note(rest: bytes) -> bool:
    """Say whether this can be what a crash left of a note."""
    return _ORIGIN.startswith(rest) or rest.startswith(_ORIGIN)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
