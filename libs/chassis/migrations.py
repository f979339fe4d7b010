"""Bring one service's schema up to date, and refuse to run on one that is behind. Knows no table but the version's.

Each service owns a schema of its name and a role `whatlead_<service>` that may use its tables but not change them; they
belong to `whatlead_<service>_owner`. Its migrations are `migrations/<number>_<name>.py` in its package, revision =
number. Services that merely check their schema do not import Alembic.
"""

import asyncio
import re
import threading
from importlib.resources import files
from pathlib import Path

import asyncpg
from sqlalchemy import Connection, make_url

from chassis.database import Database, Query
from kernel.errors import Failure, Kind

_REVISION = re.compile(r"^(\d{4})_\w+\.py$")
_ALEMBIC_IN_THIS_PROCESS = threading.Lock()
_APPLIED = Query.of("applied_revision", "SELECT max(version_num) AS revision FROM schema_version")


def role_of(service: str) -> str:
    """Return the name of the role under which `service` runs."""
    return f"whatlead_{service}"


def service_url(admin_url: str, service: str, password: str) -> str:
    """Return the URL by which `service` reaches the database of `admin_url`."""
    url = make_url(admin_url).set(username=role_of(service), password=password)
    return url.render_as_string(hide_password=False)


async def migrate(admin_url: str, service: str, role_password: str | None) -> None:
    """Create the service's roles and schema where missing, and run its migrations up to the newest.

    Safe to run at any time and by several at once: an advisory lock makes them wait for each other. Without a password
    the role keeps the one it has.
    """
    await asyncio.to_thread(_migrate_alone, admin_url, service, role_password)


async def check_current(database: Database, service: str) -> None:
    """Raise `Failure` FAILED_PRECONDITION, SCHEMA_OUTDATED if the schema is older than this code."""
    wanted = newest_revision(service)
    applied = await _applied_revision(database)
    if applied is None or applied < wanted:
        raise Failure(
            Kind.FAILED_PRECONDITION,
            "SCHEMA_OUTDATED",
            f"the schema of {service} is at {applied or 'nothing'}, this code needs {wanted}: run `whatlead migrate`",
        )


def newest_revision(service: str) -> str:
    """Return the number of the newest migration that the service's package holds."""
    matches = (_REVISION.match(file.name) for file in migrations_folder(service).iterdir())
    return max(match.group(1) for match in matches if match is not None)


def migrations_folder(service: str) -> Path:
    """Return where the service's migrations lie."""
    return Path(str(files(service).joinpath("migrations")))


async def _applied_revision(database: Database) -> str | None:
    try:
        async with database.autocommit() as connection:
            row = await connection.fetch_one(_APPLIED)
    except asyncpg.UndefinedTableError:
        return None
    return None if row is None else row.revision


def _migrate_alone(admin_url: str, service: str, role_password: str | None) -> None:
    with _ALEMBIC_IN_THIS_PROCESS:  # its proxies are global, so two runs in one process would corrupt each other
        asyncio.run(_migrate(admin_url, service, role_password))


async def _migrate(admin_url: str, service: str, role_password: str | None) -> None:
    from chassis.schema_owner import SchemaOwner

    async with SchemaOwner.connected(admin_url, service) as owner:
        await owner.create_roles(role_password)
        await owner.run(_upgrade)
        await owner.protect_version_table()


def _upgrade(connection: Connection, service: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(files("chassis").joinpath("alembic")).replace("%", "%%"))
    config.set_main_option("version_locations", str(migrations_folder(service)).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
