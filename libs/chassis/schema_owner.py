"""The roles and the schema of one service, made by an administrator. Knows nothing of what the schema holds."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

_LOCK = 0x57484154_4C454144  # "WHATLEAD": one migration at a time in a database
_ROLE_SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "jit": "off",
}
_CREATE_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} {options};
    END IF;
END
$$
"""


class SchemaOwner:
    """An administrator's connection, at work on one service's schema."""

    def __init__(self, engine: AsyncEngine, admin: AsyncConnection, service: str) -> None:
        self._engine = engine
        self._admin = admin
        self._service = service
        self._role = f"whatlead_{service}"
        self._owner = f"whatlead_{service}_owner"

    @classmethod
    @asynccontextmanager
    async def connected(cls, admin_url: str, service: str) -> AsyncIterator[Self]:
        """Connect and wait until nobody else migrates this database."""
        if not service.isidentifier() or not service.islower():
            raise ValueError(f"{service!r} is not the name of a service")
        engine = create_async_engine(
            make_url(admin_url).set(drivername="postgresql+asyncpg"),
            poolclass=NullPool,
            connect_args={"server_settings": {"application_name": "whatlead migrate", "timezone": "UTC"}},
        )
        event.listen(engine.sync_engine, "do_execute_no_params", _run_script)
        event.listen(engine.sync_engine, "do_execute", _run_script)
        try:
            async with engine.connect() as admin:
                admin = await admin.execution_options(isolation_level="AUTOCOMMIT")
                await admin.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
                yield cls(engine, admin, service)
        finally:
            await engine.dispose()

    async def create_roles(self, password: str | None) -> None:
        """Create what is missing of roles and schema, and set what roles need to find and use it."""
        await self._do(_CREATE_ROLE.format(role=self._owner, options="NOLOGIN"))
        await self._do(_CREATE_ROLE.format(role=self._role, options="LOGIN"))
        if password is not None:
            quoted = text(
                "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', CAST(:role AS text), CAST(:password AS text))"
            )
            statement = await self._admin.scalar(quoted, {"role": self._role, "password": password})
            await self._do(str(statement))
        for name, value in (_ROLE_SETTINGS | {"search_path": self._service}).items():
            await self._do(f"ALTER ROLE {self._role} SET {name} = '{value}'")
        await self._do(f"GRANT {self._owner} TO CURRENT_USER")
        await self._do(f"CREATE SCHEMA IF NOT EXISTS {self._service} AUTHORIZATION {self._owner}")
        await self._do(f"GRANT USAGE ON SCHEMA {self._service} TO {self._role}")
        await self._grant_by_default("SELECT, INSERT, UPDATE, DELETE", "TABLES")
        await self._grant_by_default("USAGE, SELECT", "SEQUENCES")
        await self._grant_by_default("EXECUTE", "FUNCTIONS")

    async def run(self, work: Callable[[Connection, str], None]) -> None:
        """Do `work` on a connection that acts as the owner, within the service's schema."""
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET ROLE {self._owner}"))
            await connection.execute(text(f"SET search_path = {self._service}"))
            await connection.execute(text("SET lock_timeout = '30s'"))
            await connection.commit()
            await connection.run_sync(work, self._service)
            await connection.commit()

    async def protect_version_table(self) -> None:
        """Let the service read its version and no more."""
        await self._do(f"REVOKE INSERT, UPDATE, DELETE ON {self._service}.schema_version FROM {self._role}")

    async def _grant_by_default(self, privileges: str, objects: str) -> None:
        await self._do(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {self._owner} IN SCHEMA {self._service}"
            f" GRANT {privileges} ON {objects} TO {self._role}"
        )

    async def _do(self, statement: str) -> None:
        await self._admin.exec_driver_sql(statement)


def _run_script(cursor: Any, statement: str, parameters: Any, context: Any = None) -> bool | None:
    """Run a text of several statements by the simple protocol, since prepared ones hold a single statement."""
    if parameters or ";" not in statement.strip().rstrip(";"):
        return None
    cursor.execute("SELECT 1")  # begins the transaction, if one is due
    await_only(context.root_connection.connection.driver_connection.execute(statement))
    return True
