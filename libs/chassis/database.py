"""Reach PostgreSQL: an engine, transactions and statements kept as files. Knows no table and no service.

What a caller can retry (a lost connection, a deadlock, a timeout) surfaces as one `Failure`; everything else, such as a
violated constraint, passes as SQLAlchemy raised it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from sqlalchemy import Row, event
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis.database_failures import translated
from chassis.statements import Queries, Query, load_queries

__all__ = ["Database", "Queries", "Query", "Transaction", "load_queries"]

_CONNECT_SECONDS = 5
_COMMAND_SECONDS = 35  # more than the server's own statement_timeout: only a connection that is half gone takes so long
_POOL_SECONDS = 10
_READY_SECONDS = 2
_SSL_NAME = "sslmode"


class Transaction:
    """One transaction on one connection; it commits when its `async with` block ends without an exception."""

    __slots__ = ("_connection", "_started")

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._started = False

    @property
    def connection(self) -> AsyncConnection:
        """The SQLAlchemy connection, for statements built from Core tables. Its errors are not translated."""
        return self._connection

    async def fetch(self, query: Query, **params: object) -> Sequence[Row[Any]]:
        """Run `query` and return all rows."""
        return (await self._run(query, params)).fetchall()

    async def fetch_one(self, query: Query, **params: object) -> Row[Any] | None:
        """Run `query` and return its first row, if there is one."""
        return (await self._run(query, params)).fetchone()

    async def execute(self, query: Query, **params: object) -> int:
        """Run `query` and return how many rows it touched."""
        return (await self._run(query, params)).rowcount

    async def copy(self, table: str, columns: Sequence[str], records: Sequence[Sequence[object]]) -> int:
        """COPY `records` into `table`, the cheapest way in above some 20 rows.

        A conflict raises `asyncpg.UniqueViolationError` and leaves the transaction good for nothing but its end.
        """
        if not self._started:
            await self._run(_BEGIN, {})
        with translated():
            raw = await self._connection.get_raw_connection()
            driver: asyncpg.Connection = raw.driver_connection
            status: str = await driver.copy_records_to_table(table, columns=list(columns), records=records)
        return int(status.split()[1])

    async def _run(self, query: Query, params: dict[str, object]) -> CursorResult[Any]:
        self._started = True
        with translated():
            return await self._connection.execute(query.clause, params)


_BEGIN = Query.of("begin", "SELECT 1")


class Database:
    """A pool of connections to one database under one role."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshot = engine.execution_options(isolation_level="REPEATABLE READ")

    @classmethod
    def connect(cls, url: str, *, pool_size: int = 10, application: str = "whatlead", **server_settings: str) -> Self:
        """Make the pool for a `postgresql://` URL. Connections are opened when first needed.

        `server_settings` are PostgreSQL's own, in place of those of the role, as `lock_timeout="2s"`.
        """
        target = make_url(url).set(drivername="postgresql+asyncpg")
        if (mode := target.query.get(_SSL_NAME)) is not None:
            target = target.difference_update_query([_SSL_NAME]).update_query_dict({"ssl": mode})
        engine = create_async_engine(
            target,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # an error's text goes into logs, and parameters hold what callers sent
            pool_timeout=_POOL_SECONDS,
            pool_use_lifo=True,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _COMMAND_SECONDS,
                "server_settings": {"application_name": application, "timezone": "UTC", **server_settings},
            },
        )
        event.listen(engine.sync_engine, "checkout", _refuse_closed)
        return cls(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin, and commit at the end of the block; roll back if it raises.

        Raises `Failure` UNAVAILABLE, DATABASE_UNAVAILABLE when trying again can help. If the connection breaks during
        the commit, the transaction may have been committed: repeat only what is idempotent.
        """
        with translated():
            connection = await self._engine.connect()
        try:
            yield Transaction(connection)
            with translated():
                await connection.commit()
        finally:
            await _release(connection)

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Transaction]:
        """Give a connection on which each statement commits by itself, saving the round trips of BEGIN and COMMIT."""
        with translated():
            connection = await self._autocommit.connect()
        try:
            yield Transaction(connection)
        finally:
            await _release(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        """Give a connection on which all statements read what was committed before the first; for reading only."""
        with translated():
            connection = await self._snapshot.connect()
        try:
            yield Transaction(connection)
        finally:
            await _release(connection)

    async def ready(self) -> bool:
        """Tell whether the database answers now."""
        try:
            async with asyncio.timeout(_READY_SECONDS), self.autocommit() as connection:
                await connection.fetch_one(_BEGIN)
        except Exception:  # noqa: BLE001 - whatever the cause, the answer is the same
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def _release(connection: AsyncConnection) -> None:
    """Return the connection to its pool, rolling back what is open; survives cancellation."""
    await asyncio.shield(connection.close())


def _refuse_closed(adapted: Any, record: object, proxy: object) -> None:
    """Make the pool open a new connection in place of one that the driver knows to be closed (no round trip)."""
    if adapted.driver_connection.is_closed():
        raise DisconnectionError
