"""Databases for tests: one embedded server a test process, one database a test, copied from a migrated template."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import patch

import asyncpg

from chassis.database import Database, Transaction
from chassis.migrations import migrate, service_url
from chassis.postgres_embedded import EmbeddedPostgres


class Databases:
    """Fresh, migrated databases on one server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}
        self._databases: list[Database] = []
        self._names: list[str] = []

    async def url(self, service: str) -> str:
        """Return the URL of a new database, under the role of `service`, with its migrations run."""
        template = self._templates.get(service) or await self._make_template(service)
        name = f"{service}_{next(self._numbers)}"
        await self.administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._names.append(name)
        return service_url(self.server.url(database=name), service, self.server.password)

    async def database(self, service: str, *, pool_size: int = 10) -> Database:
        """Return a connected new database; it is closed and dropped when the test ends."""
        return self.connect(await self.url(service), pool_size=pool_size)

    def connect(self, url: str, *, pool_size: int = 10) -> Database:
        """Connect once more, as a second process would."""
        database = Database.connect(url, pool_size=pool_size)
        self._databases.append(database)
        return database

    async def empty(self) -> str:
        """Return the administrator's URL of a new, empty database."""
        name = f"empty_{next(self._numbers)}"
        await self.administer(f"CREATE DATABASE {name}")
        self._names.append(name)
        return self.server.url(database=name)

    @asynccontextmanager
    async def for_one_test(self) -> AsyncIterator["Databases"]:
        """Close and drop at the end what was made within."""
        try:
            yield self
        finally:
            while self._databases:
                await self._databases.pop().close()
            while self._names:
                await self.administer(f"DROP DATABASE IF EXISTS {self._names.pop()} WITH (FORCE)")

    async def _make_template(self, service: str) -> str:
        name = f"template_{service}"
        await self.administer(f"CREATE DATABASE {name}")
        await migrate(self.server.url(database=name), service, self.server.password)
        self._templates[service] = name
        return name

    async def administer(self, statement: str) -> None:
        """Run one statement as superuser, outside of any transaction."""
        connection = await asyncpg.connect(self.server.url(database="postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def counting(database: Database) -> Iterator[list[str]]:
    """Collect the statements that `database` runs."""
    statements: list[str] = []
    lend = database.autocommit

    @asynccontextmanager
    async def lent() -> AsyncIterator[Transaction]:
        async with lend() as tx:
            with tx.connection.query_logger(lambda record: statements.append(record.query)):
                yield tx
                await asyncio.sleep(0)  # the driver tells of a statement in the loop's next turn

    with patch.object(database, "autocommit", lent):
        yield statements
