"""Migrations of one service: roles, rights, versions, and many at once."""

import asyncio
import os
import sys
from pathlib import Path
from shutil import copytree

import asyncpg
import pytest
from tests.postgres import Databases

from chassis.database import Database, Query
from chassis.migrations import check_current, migrate, newest_revision, service_url
from chassis.postgres_embedded import EmbeddedPostgres
from kernel.errors import Failure, Kind

PASSWORD = "pass'word %"


@pytest.fixture
async def empty(databases: Databases) -> str:
    """The administrator's URL of a database in which nothing was migrated."""
    return await databases.empty()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, with a space and a percent sign in its name, from which services can be imported."""
    folder = tmp_path / "some 100% folder"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def write_service(folder: Path, name: str, *migrations: str | tuple[str, ...]) -> None:
    """Write a service whose migrations execute these texts."""
    package = folder / name / "migrations"
    package.mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").touch()
    former = None
    for number, statements in enumerate(migrations, start=1):
        revision = f"{number:04}"
        texts = (statements,) if isinstance(statements, str) else statements
        text = (
            f"from alembic import op\n\nrevision = {revision!r}\ndown_revision = {former!r}\n\n\n"
            f"def upgrade():\n    for text in {texts!r}:\n        op.execute(text)\n"
        )
        (package / f"{revision}_step.py").write_text(text)
        former = revision


def connect(databases: Databases, admin_url: str, service: str) -> Database:
    password = databases.server.password if service == "letterbox" else PASSWORD  # roles are the whole server's
    return databases.connect(service_url(admin_url, service, password))


async def run(database: Database, statement: str) -> int:
    async with database.transaction() as tx:
        return await tx.execute(Query.of("statement", statement))


async def test_a_service_uses_its_tables_and_does_not_own_them(databases: Databases, empty: str) -> None:
    await migrate(empty, "letterbox", databases.server.password)
    database = connect(databases, empty, "letterbox")
    await check_current(database, "letterbox")
    assert await run(database, "INSERT INTO diary VALUES ('a')") == 1
    for forbidden in (
        "DELETE FROM diary",
        "UPDATE diary SET line = 'b'",
        "TRUNCATE letter",
        "DROP TABLE letter",
        "CREATE TABLE mine ()",
        "UPDATE schema_version SET version_num = '9999'",
        "ALTER TABLE letter DISABLE TRIGGER ALL",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(database, forbidden)


async def test_no_service_reads_anothers_tables(databases: Databases, empty: str, packages: Path) -> None:
    write_service(packages, "neighbour", "CREATE TABLE secret (word text)")
    await migrate(empty, "letterbox", databases.server.password)
    await migrate(empty, "neighbour", PASSWORD)
    assert await run(connect(databases, empty, "neighbour"), "INSERT INTO secret VALUES ('a')") == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(connect(databases, empty, "letterbox"), "SELECT word FROM neighbour.secret")


async def test_code_newer_than_the_schema_says_what_to_do(databases: Databases, empty: str, packages: Path) -> None:
    write_service(packages, "growing", "CREATE TABLE one (); SELECT 1")
    await migrate(empty, "growing", PASSWORD)
    database = connect(databases, empty, "growing")
    await check_current(database, "growing")
    write_service(packages, "growing", "CREATE TABLE one (); SELECT 1", "CREATE TABLE two ()")
    with pytest.raises(Failure, match="run `whatlead migrate`") as caught:
        await check_current(database, "growing")
    assert (caught.value.kind, caught.value.reason) == (Kind.FAILED_PRECONDITION, "SCHEMA_OUTDATED")
    await migrate(empty, "growing", None)
    await check_current(database, "growing")
    assert newest_revision("growing") == "0002"


async def test_a_schema_that_was_never_made_is_outdated(databases: Databases, empty: str) -> None:
    other = await databases.empty()
    await migrate(other, "letterbox", databases.server.password)  # so that the role exists
    with pytest.raises(Failure, match="SCHEMA_OUTDATED"):
        await check_current(connect(databases, empty, "letterbox"), "letterbox")


async def test_a_schema_newer_than_the_code_is_accepted(databases: Databases, empty: str, packages: Path) -> None:
    write_service(packages, "ahead", "CREATE TABLE one ()", "CREATE TABLE two ()")
    await migrate(empty, "ahead", PASSWORD)
    (packages / "ahead" / "migrations" / "0002_step.py").unlink()
    await check_current(connect(databases, empty, "ahead"), "ahead")


async def test_a_migration_that_fails_half_way_leaves_nothing(databases: Databases, empty: str, packages: Path) -> None:
    write_service(packages, "broken", "CREATE TABLE one ()", ("CREATE TABLE two (); SELECT 1", "SELECT 1 / 0"))
    with pytest.raises(Exception, match="division by zero"):
        await migrate(empty, "broken", PASSWORD)
    write_service(packages, "broken", "CREATE TABLE one ()", "CREATE TABLE two (); SELECT 1")
    await migrate(empty, "broken", PASSWORD)
    await check_current(connect(databases, empty, "broken"), "broken")


async def test_many_migrate_at_once(databases: Databases, empty: str, packages: Path) -> None:
    write_service(packages, "busy", "CREATE TABLE one (); SELECT pg_sleep(0.1)", "CREATE TABLE two ()")
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(migrate(empty, "busy", PASSWORD))
            group.create_task(migrate(empty, "letterbox", databases.server.password))
    await check_current(connect(databases, empty, "busy"), "busy")
    await check_current(connect(databases, empty, "letterbox"), "letterbox")


async def test_one_process_migrates_several_databases_at_once(databases: Databases, packages: Path) -> None:
    write_service(packages, "twins", "CREATE TABLE one (); SELECT pg_sleep(0.1)", "CREATE TABLE two ()")
    urls = [await databases.empty() for _ in range(3)]
    await migrate(
        await databases.empty(), "twins", PASSWORD
    )  # roles are the whole server's: not their creation is tried
    async with asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(migrate(url, "twins", None))
    for url in urls:
        await check_current(connect(databases, url, "twins"), "twins")


async def test_many_processes_migrate_at_once(databases: Databases, empty: str, packages: Path) -> None:
    write_service(packages, "crowd", "CREATE TABLE one (); SELECT pg_sleep(0.3)", "CREATE TABLE two ()")
    script = f"import asyncio\nfrom chassis.migrations import migrate\nasyncio.run(migrate({empty!r}, 'crowd', 'x'))"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, env=os.environ | {"PYTHONPATH": os.pathsep.join([str(packages), *sys.path])}
        )
        for _ in range(3)
    ]
    async with asyncio.timeout(30):
        assert [await process.wait() for process in processes] == [0, 0, 0]
    await check_current(databases.connect(service_url(empty, "crowd", "x")), "crowd")


async def test_an_administrator_need_not_be_superuser(
    databases: Databases, empty: str, postgres: EmbeddedPostgres, packages: Path
) -> None:
    write_service(packages, "hosted", "CREATE TABLE one ()")
    name = empty.rsplit("/", 1)[1]
    await databases.administer("DROP ROLE IF EXISTS landlord")
    await databases.administer("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'landlord'")
    await databases.administer(f"ALTER DATABASE {name} OWNER TO landlord")
    await migrate(postgres.url(user="landlord", database=name, password="landlord"), "hosted", PASSWORD)
    await check_current(connect(databases, empty, "hosted"), "hosted")
    assert await run(connect(databases, empty, "hosted"), "SELECT * FROM one") == 0


async def test_the_sample_service_is_found_wherever_it_is_installed(packages: Path, databases: Databases) -> None:
    copytree(Path(__file__).parent / "letterbox", packages / "postbox")
    diary = packages / "postbox" / "migrations" / "0002_diary.py"
    diary.write_text(diary.read_text().replace("whatlead_letterbox", "whatlead_postbox"))
    database = await databases.database("postbox")
    await check_current(database, "postbox")
