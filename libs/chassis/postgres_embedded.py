"""Supervise a PostgreSQL server of our own for demo and tests. Knows nothing of schemas, roles or migrations.

`fsync` stays on. The server stops when this process ends, however it ends (on Linux: with the thread that started it).
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import asyncpg

from chassis.postgres_binaries import find_binaries
from chassis.postgres_cluster import Access, Cluster
from chassis.postgres_isolation import Mode, isolate

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_LOG_BYTES = 16_000_000
_PORTS_TRIED = 5
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "wal_buffers": "16MB",
    "min_wal_size": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # DETAIL quotes rows, with numbers and texts
}


class EmbeddedPostgresError(RuntimeError):
    """The server could not be started; the message says why and what to do."""


class _PortTakenError(Exception):
    pass


class EmbeddedPostgres:
    """A PostgreSQL server on 127.0.0.1 whose data lives below `data_dir` and survives from one run to the next.

    Belongs to no event loop: it may be started by `asyncio.run` in one and used from another.
    """

    def __init__(
        self, data_dir: Path, *, binaries: Path | None = None, database: str = "whatlead", mode: Mode | None = None
    ) -> None:
        self._home = data_dir.absolute()
        self._explicit_binaries = binaries
        self._database = database
        self._mode = mode
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cluster: Cluster | None = None
        self._access: Access | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def password(self) -> str:
        """The superuser's password."""
        return self._reachable().password

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._home / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def url(self, user: str = "postgres", database: str | None = None, password: str | None = None) -> str:
        """Return a connection URL; the password defaults to the superuser's."""
        access = self._reachable()
        secret = quote(access.password if password is None else password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@127.0.0.1:{access.port}/{database or self._database}"

    async def start(self) -> None:
        """Start the server, making the cluster at the first run."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._take_lock()
        try:
            await asyncio.to_thread(self._prepare)
            await self._launch_on_free_port()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server (fast shutdown) and reap it."""
        await self._end(signal.SIGINT)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def restart(self, *, immediate: bool = False) -> None:
        """Stop and start on the same port; `immediate` crashes the server, so that it recovers from its log."""
        await self._end(signal.SIGQUIT if immediate else signal.SIGINT)
        try:
            await self._launch(self._reachable())
        except _PortTakenError:
            raise EmbeddedPostgresError("the server's port was taken while it restarted") from None

    def _take_lock(self) -> int:
        lock = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EmbeddedPostgresError(
                f"another process runs the PostgreSQL server in {self._home}: stop it, or choose another folder"
            ) from None
        return lock

    def _prepare(self) -> None:
        isolation = isolate(binaries=find_binaries(self._explicit_binaries), home=self._home, mode=self._mode)
        self._cluster = Cluster(isolation=isolation, home=self._home)
        self._cluster.settle_former_server()
        self._access = self._cluster.make()

    async def _launch_on_free_port(self) -> None:
        stored = self._reachable()
        for port in [stored.port or _free_port(), *(_free_port() for _ in range(_PORTS_TRIED))]:
            access = Access(port=port, password=stored.password)
            try:
                await self._launch(access)
            except _PortTakenError:
                continue
            self._access = access
            if self._cluster is not None:
                self._cluster.store(access)
            return
        raise EmbeddedPostgresError("no free port found on 127.0.0.1")

    async def _launch(self, access: Access) -> None:
        """Start the server in this thread, whose death it shares, and wait until it answers."""
        if self._cluster is None:
            raise EmbeddedPostgresError("the server was never started")
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES:
            self.log_file.unlink()
        settings = [f"{name}={value}" for name, value in (_SETTINGS | {"port": str(access.port)}).items()]
        arguments = [word for setting in settings for word in ("-c", setting)]
        command = self._cluster.isolation.command("postgres", "-D", str(self._cluster.data), *arguments)
        with self.log_file.open("ab") as log:
            seen = log.tell()
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while not await self._answers(access):
            if self._process.poll() is not None:
                said = self.log_file.read_bytes()[seen:].decode(errors="replace")
                if "could not bind" in said:
                    raise _PortTakenError
                raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{said[-2000:]}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL does not answer; see {self.log_file}")
            await asyncio.sleep(0.02)

    async def _answers(self, access: Access) -> bool:
        """Tell whether the server is up, and see to it that the database exists."""
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=access.port,
                user="postgres",
                password=access.password,
                database="postgres",
                timeout=5,
            )
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        except asyncpg.InvalidPasswordError:
            await self._end(signal.SIGQUIT)
            raise _PortTakenError from None
        try:
            with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                exists = "SELECT 1 FROM pg_database WHERE datname = $1"
                if await connection.fetchval(exists, self._database) is None:
                    await connection.execute(f'CREATE DATABASE "{self._database}"')
        finally:
            await connection.close()
        return True

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for step in (how, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(step)
            try:
                await asyncio.to_thread(process.wait, _STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return

    def _reachable(self) -> Access:
        if self._access is None:
            raise EmbeddedPostgresError("the server was never started")
        return self._access


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
