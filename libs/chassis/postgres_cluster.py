"""The files of one PostgreSQL cluster: make it, settle what a former run left. Knows nothing of the running server."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from chassis.postgres_isolation import Isolation

_ORPHAN_SECONDS = 20.0


class ClusterError(RuntimeError):
    """The cluster cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is needed to reach the server as its superuser."""

    port: int
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A data folder and the file, readable by its owner only, that says how to reach its server."""

    isolation: Isolation
    home: Path

    @property
    def data(self) -> Path:
        """Where PostgreSQL keeps its data."""
        return self.isolation.folder / "cluster"

    def make(self) -> Access:
        """Return how to reach the cluster, making it first where there is none (all of it or nothing)."""
        stored = self._read_access()
        if stored is not None and (self.data / "PG_VERSION").exists():
            self._refuse_other_version()
            return stored
        if self.data.exists():
            raise ClusterError(f"{self.data} is there, its password is not: move the folder away")
        access = Access(port=0, password=secrets.token_urlsafe(24))
        staging = self.data.with_name("cluster.making")
        shutil.rmtree(staging, ignore_errors=True)
        self._initialise(staging, access.password)
        self.store(access)
        staging.rename(self.data)
        return access

    def store(self, access: Access) -> None:
        """Write down how to reach the server."""
        temporary = self._access_file.with_suffix(".making")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"port": access.port, "password": access.password}, file)
        temporary.replace(self._access_file)

    def settle_former_server(self) -> None:
        """Stop a server that outlived its supervisor, and drop a pid file whose process is somebody else's."""
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + _ORPHAN_SECONDS
        asked: signal.Signals | None = None
        while (pid := _first_number(pid_file)) is not None:
            if not _serves(pid, self.data):
                pid_file.unlink(missing_ok=True)
                return
            wanted = signal.SIGINT if time.monotonic() < deadline else signal.SIGQUIT
            if asked is not wanted:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, wanted)
                asked = wanted
            if time.monotonic() > deadline + _ORPHAN_SECONDS:
                raise ClusterError(f"a PostgreSQL server (process {pid}) holds {self.data} and does not stop")
            time.sleep(0.05)

    @property
    def _access_file(self) -> Path:
        return self.home / "server.json"

    def _read_access(self) -> Access | None:
        try:
            stored = json.loads(self._access_file.read_text())
            return Access(port=int(stored["port"]), password=str(stored["password"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _initialise(self, target: Path, password: str) -> None:
        password_file = target.with_name("password")
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(password)
        self.isolation.give(password_file)
        locale = ["--locale=C"]
        if self._major_version() >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        try:
            answer = subprocess.run(  # noqa: S603
                self.isolation.command(
                    "initdb", "-D", str(target), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "-N",
                    "--pwfile", str(password_file), *locale,
                ),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        finally:
            password_file.unlink(missing_ok=True)
        if answer.returncode != 0:
            raise ClusterError(f"initdb failed: {answer.stderr.strip()}")

    def _major_version(self) -> int:
        answer = subprocess.run(  # noqa: S603
            self.isolation.command("postgres", "--version"), capture_output=True, text=True, check=True
        )
        return int(answer.stdout.split()[2].split(".")[0])

    def _refuse_other_version(self) -> None:
        stored, running = int((self.data / "PG_VERSION").read_text()), self._major_version()
        if stored != running:
            raise ClusterError(f"{self.data} was made by PostgreSQL {stored}, this is {running}: move the folder away")


def _first_number(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return None
    except ValueError:
        return 0


def _serves(pid: int, data: Path) -> bool:
    """Tell whether process `pid` is a PostgreSQL server of `data` (its working directory is its data folder)."""
    if pid <= 0:
        return False
    if not Path("/proc/self").exists():
        answer = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
        return str(data) in answer.stdout
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except OSError:
        return False
