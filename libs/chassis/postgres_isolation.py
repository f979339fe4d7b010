"""Choose as whom PostgreSQL programs run, since they refuse to run as root. Knows nothing of clusters or connections.

An ordinary user runs them as itself. Root runs them in a user namespace; where that is forbidden or its files are out
of reach, as `nobody` with data in the system's persistent temporary folder and, if need be, copied binaries.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chassis import postgres_launch
from chassis.postgres_binaries import Binaries

_PERSISTENT_TEMPORARY = Path("/var/tmp")  # noqa: S108 - its folders below are checked for their owner


class Mode(StrEnum):
    """As whom the programs run."""

    PLAIN = "plain"
    NAMESPACE = "namespace"
    NOBODY = "nobody"


class IsolationError(RuntimeError):
    """There is no identity under which PostgreSQL would run here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """A way to run PostgreSQL programs, and the folder that they may write to."""

    mode: Mode
    binaries: Binaries
    folder: Path

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return the command line that runs `program` so that it dies with this process."""
        launcher = [sys.executable, "-I", "-S", str(Path(postgres_launch.__file__))]
        target = [str(self.folder), str(self.binaries / program)]
        return [*launcher, self.mode.value, str(os.getpid()), *target, *arguments]

    def give(self, path: Path) -> None:
        """Make `path` belong to the one who runs the programs."""
        if self.mode is Mode.NOBODY:
            os.chown(path, postgres_launch.NOBODY, postgres_launch.NOBODY)

    def problem(self) -> str | None:
        """Return why programs would not run this way, or None."""
        for program in ("postgres", "initdb"):  # they need different libraries
            answer = subprocess.run(  # noqa: S603
                self.command(program, "--version"), capture_output=True, text=True, check=False, timeout=30
            )
            if answer.returncode != 0:
                return answer.stderr.strip() or f"{program} ends with {answer.returncode}"
        return None


def isolate(*, binaries: Binaries, home: Path, mode: Mode | None = None) -> Isolation:
    """Return the first way that works, or the one asked for."""
    if mode is None and os.geteuid() != 0:
        mode = Mode.PLAIN
    if mode is Mode.NOBODY:
        return _as_nobody(binaries=binaries, home=home)
    here = Isolation(mode=mode or Mode.NAMESPACE, binaries=binaries, folder=home)
    problem = here.problem()
    if problem is None:
        return here
    if mode is None:
        return _as_nobody(binaries=binaries, home=home)
    raise IsolationError(f"PostgreSQL does not run from {binaries.folder}: {problem}")


def _as_nobody(*, binaries: Binaries, home: Path) -> Isolation:
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    folder = _own_folder(_PERSISTENT_TEMPORARY / f"whatlead-{digest}", owner=postgres_launch.NOBODY, mode=0o700)
    here = Isolation(mode=Mode.NOBODY, binaries=binaries, folder=folder)
    if here.problem() is None:
        return here
    here = Isolation(mode=Mode.NOBODY, binaries=_readable_copy(binaries), folder=folder)
    if (problem := here.problem()) is not None:
        raise IsolationError(
            f"PostgreSQL refuses to run as root, and nobody cannot run it: {problem}; "
            "run as an ordinary user or give WHATLEAD_DATABASE_URL"
        )
    return here


def _readable_copy(binaries: Binaries) -> Binaries:
    digest = hashlib.sha256(os.fsencode(binaries.folder.resolve())).hexdigest()[:16]
    home = _own_folder(_PERSISTENT_TEMPORARY / f"whatlead-postgres-{digest}", owner=0, mode=0o755)
    complete, making = home / "copy", home / f"making-{os.getpid()}"
    if not complete.exists():
        binaries.copied_to(making)
        making.rename(complete)
    return binaries.below(complete)


def _own_folder(path: Path, *, owner: int, mode: int) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid not in (0, owner):
        raise IsolationError(f"{path} belongs to somebody else; remove it")
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path
