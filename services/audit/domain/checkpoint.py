"""What a checkpoint says of the log, and the text that is signed (C2SP tlog-checkpoint). Knows no key."""

import base64
from dataclasses import dataclass
from typing import Self

ORIGIN = "whatlead/audit"


class Refused(Exception):
    """Tell why nothing may be signed: what is stored is not what was signed before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The root of the tree of the log's first `size` leaves."""

    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text back. Raises ValueError if it is not one of this log."""
        try:
            origin, size, root, end = text.split("\n")
            read = cls(size=int(size), root=base64.b64decode(root, validate=True))
        except ValueError:
            raise ValueError("is not a checkpoint") from None
        if origin != ORIGIN or end or str(read) != text:
            raise ValueError("is not a checkpoint of this log")
        return read
