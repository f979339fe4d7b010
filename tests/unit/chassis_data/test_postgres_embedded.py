"""The embedded PostgreSQL: started twice, crashed, orphaned, refused, as whoever runs the tests."""

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from chassis.postgres_binaries import BinariesNotFoundError, find_binaries
from chassis.postgres_cluster import ClusterError
from chassis.postgres_embedded import EmbeddedPostgres, EmbeddedPostgresError
from chassis.postgres_isolation import Mode

ROOT = os.geteuid() == 0
MODES = [Mode.NAMESPACE, Mode.NOBODY] if ROOT else [Mode.PLAIN]
START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from chassis.postgres_embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder with spaces"


@pytest.fixture
def temporary() -> Iterator[list[Path]]:
    """Folders outside of the test's own, to be removed when it ends."""
    folders: list[Path] = []
    yield folders
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


async def ask(server: EmbeddedPostgres, question: str) -> object:
    connection = await asyncpg.connect(server.url())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def eventually(condition: Callable[[], bool], within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - processes give no signal
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start_elsewhere(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a supervisor in a process of its own; return it and the server's process id."""
    process = subprocess.Popen([sys.executable, "-c", START_AND_WAIT, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def start_stranger() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


@pytest.mark.parametrize("mode", MODES)
async def test_data_survives_a_second_start_and_a_crash(folder: Path, mode: Mode, temporary: list[Path]) -> None:
    async with EmbeddedPostgres(folder, mode=mode) as server:
        if mode is Mode.NOBODY:
            temporary.append(Path(str(await ask(server, "SHOW data_directory"))).parent)
        await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        first_url = server.url()
    assert server.pid is None
    async with EmbeddedPostgres(folder, mode=mode) as server:
        assert await ask(server, "SELECT answer FROM kept") == 42
        assert server.url() == first_url  # the port too, unless somebody took it
        await server.restart(immediate=True)
        assert await ask(server, "SELECT answer FROM kept") == 42
        assert server.url() == first_url


async def test_durability_is_never_traded(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(server, f"SHOW {setting}") == "on"
        assert await ask(server, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(server, "SHOW unix_socket_directories") == ""


async def test_only_the_password_opens_it_and_only_its_owner_reads_that(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        access = folder / "server.json"
        assert stat.S_IMODE(access.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert json.loads(access.read_text())["password"] == server.password
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url(password="guess"))
        assert not list(folder.glob("*password*"))


async def test_two_at_once_on_one_folder_are_refused_in_words(folder: Path) -> None:
    async with EmbeddedPostgres(folder):
        with pytest.raises(EmbeddedPostgresError, match="another process"):
            await EmbeddedPostgres(folder).start()


async def test_it_dies_with_its_parent_and_the_next_start_takes_over(folder: Path) -> None:
    parent, pid = start_elsewhere(folder)
    assert alive(pid)
    parent.kill()
    parent.wait()
    async with EmbeddedPostgres(folder) as server:  # at once, whatever the former server is still doing
        assert not alive(pid)
        assert await ask(server, "SELECT 1") == 1


async def test_a_killed_server_leaves_a_pid_file_and_the_next_start_goes_on(folder: Path) -> None:
    parent, pid = start_elsewhere(folder)
    os.kill(pid, signal.SIGKILL)
    parent.kill()
    parent.wait()
    await eventually(lambda: not alive(pid))
    async with EmbeddedPostgres(folder) as server:
        assert await ask(server, "SELECT 1") == 1


async def test_a_pid_file_that_names_a_stranger_is_dropped_and_the_stranger_left_alone(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        pid_file = Path(str(await ask(server, "SHOW data_directory"))) / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
    stranger = start_stranger()
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        async with EmbeddedPostgres(folder) as server:
            assert await ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_the_next_start_avoids_a_port_that_was_taken_meanwhile(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        former = server.url()
    port = json.loads((folder / "server.json").read_text())["port"]
    taker = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    async with taker, EmbeddedPostgres(folder) as server:
        assert server.url() != former
        assert await ask(server, "SELECT 1") == 1


async def test_an_interrupted_first_start_is_begun_anew(folder: Path) -> None:
    making = folder / "cluster.making"
    making.mkdir(parents=True)
    (making / "PG_VERSION").write_text("18\n")
    async with EmbeddedPostgres(folder) as server:
        assert await ask(server, "SELECT 1") == 1


async def test_a_folder_of_another_version_is_named(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        version = Path(str(await ask(server, "SHOW data_directory"))) / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(ClusterError, match="made by PostgreSQL 9"):
        await EmbeddedPostgres(folder).start()


async def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        data = Path(str(await ask(server, "SHOW data_directory")))
    (data / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="nonsense"):
        await EmbeddedPostgres(folder).start()


def test_it_belongs_to_no_event_loop(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    asyncio.run(server.start())
    assert asyncio.run(ask(server, "SELECT 1")) == 1
    asyncio.run(server.restart(immediate=False))
    assert asyncio.run(ask(server, "SELECT 1")) == 1
    began = time.monotonic()
    asyncio.run(server.stop())
    assert time.monotonic() - began < 10


@pytest.mark.skipif(not ROOT, reason="only root has to become somebody else")
async def test_root_uses_nobody_and_copied_binaries_where_a_namespace_cannot_reach_them(
    tmp_path: Path, temporary: list[Path]
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    binaries = find_binaries().copied_to(hidden)
    os.chown(hidden, 12345, 12345)
    hidden.chmod(0o700)
    for _ in range(2):
        async with EmbeddedPostgres(tmp_path / "data", binaries=binaries.folder) as server:
            directory = Path(str(await ask(server, "SHOW data_directory")))
            copy = Path(str(await ask(server, "SELECT setting FROM pg_config() WHERE name = 'BINDIR'")))
            temporary += [directory.parent, copy.parents[3]]
            assert directory.is_relative_to("/var/tmp")
            assert directory.stat().st_uid == 65534
            assert copy.is_relative_to("/var/tmp")


def test_a_folder_without_binaries_is_named(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match=str(tmp_path)):
        find_binaries(tmp_path)
