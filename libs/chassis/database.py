"""Reach PostgreSQL: an engine, transactions and statements kept as files. Knows no table and no service.

What a caller can retry (a lost connection, a deadlock, a timeout) surfaces as one `Failure`; everything else, such as a
violated constraint, passes as asyncpg raised it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any, Self

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from chassis.database_failures import BROKEN, translated
from chassis.statements import Queries, Query, load_queries

__all__ = ["Database", "Queries", "Query", "Row", "Transaction", "load_queries"]

_CONNECT_SECONDS = 5
_COMMAND_SECONDS = 35  # more than the server's own statement_timeout: only a connection that is half gone takes so long
_CLEAR_SECONDS = 2
_POOL_SECONDS = 10
_READY_SECONDS = 2
_SSL_NAME = "sslmode"


class Row(asyncpg.Record):  # type: ignore[misc] # asyncpg has no types
    """A row that was read: its columns are its attributes, also `items`, which a record has a method for."""

    __getattr__ = asyncpg.Record.__getitem__
    items = property(itemgetter("items"))


class Transaction:
    """One transaction on one connection; it commits when its `async with` block ends without an exception."""

    __slots__ = ("connection",)

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def fetch(self, query: Query, **params: object) -> Sequence[Row]:
        """Run `query` and return all rows."""
        with translated():
            rows: list[Row] = await self.connection.fetch(query.sql, *_arguments(query, params))
        return rows

    async def fetch_one(self, query: Query, **params: object) -> Row | None:
        """Run `query` and return its first row, if there is one."""
        with translated():
            row: Row | None = await self.connection.fetchrow(query.sql, *_arguments(query, params))
        return row

    async def execute(self, query: Query, **params: object) -> int:
        """Run `query` and return how many rows it touched."""
        with translated():
            return _touched(await self.connection.execute(query.sql, *_arguments(query, params)))

    async def command(self, words: str) -> None:
        """Run what takes no values and gives none, as BEGIN."""
        with translated():
            await self.connection.execute(words)

    async def copy(self, table: str, columns: Sequence[str], records: Sequence[Sequence[object]]) -> int:
        """COPY `records` into `table`, the cheapest way in above some 20 rows.

        A conflict raises `asyncpg.UniqueViolationError` and leaves the transaction good for nothing but its end.
        """
        with translated():
            return _touched(await self.connection.copy_records_to_table(table, columns=list(columns), records=records))


def _arguments(query: Query, params: Mapping[str, object]) -> list[object]:
    return [params[name] for name in query.binds]


def _touched(status: str) -> int:
    """Return the count that PostgreSQL's word for what it did ends with, as in `UPDATE 3`; 0 if it counts nothing."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


_PROBE = Query.of("probe", "SELECT 1")


class Database:
    """A pool of connections to one database under one role."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._clearing: set[asyncio.Task[None]] = set()

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
            pool_reset_on_return=None,  # what is open is rolled back by `autocommit`
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _COMMAND_SECONDS,
                "record_class": Row,
                "max_cached_statement_lifetime": 0,
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
        async with self.autocommit() as tx:
            await tx.command("BEGIN")
            yield tx
            await tx.command("COMMIT")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        """Give a connection on which all statements read what was committed before the first; for reading only."""
        async with self.autocommit() as tx:
            await tx.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield tx

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Transaction]:
        """Lend a connection on which each statement commits by itself, saving the round trips of BEGIN and COMMIT.

        The pool is SQLAlchemy's; statements go to the driver, at a third of the price.
        """
        with translated():
            try:
                pooled = await self._engine.raw_connection()
            except self._engine.dialect.loaded_dbapi.Error as error:  # SQLAlchemy's word for asyncpg's
                raise error.__cause__ or error from None
        connection: asyncpg.Connection = pooled.driver_connection
        try:
            yield Transaction(connection)
        except asyncio.CancelledError:  # what was cut short may open in a moment: a BEGIN on its way
            self._clear(pooled, connection)  # and is not waited for: the server may be what did not answer
            raise
        except BaseException:
            await asyncio.shield(self._clear(pooled, connection))
            raise
        if connection.is_in_transaction():
            await asyncio.shield(self._clear(pooled, connection))
        else:
            pooled.close()

    def _clear(self, pooled: PoolProxiedConnection, connection: asyncpg.Connection) -> asyncio.Task[None]:
        clearing = asyncio.create_task(_clear_and_give_back(pooled, connection), name="database.clear")
        self._clearing.add(clearing)
        clearing.add_done_callback(self._clearing.discard)
        return clearing

    async def ready(self) -> bool:
        """Tell whether the database answers now."""
        try:
            async with asyncio.timeout(_READY_SECONDS), self.autocommit() as connection:
                await connection.fetch_one(_PROBE)
        except Exception:  # noqa: BLE001 - whatever the cause, the answer is the same
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        if self._clearing:
            await asyncio.wait(self._clearing)
        await self._engine.dispose()


async def _clear_and_give_back(pooled: PoolProxiedConnection, connection: asyncpg.Connection) -> None:
    """Return a connection to its pool, less what is open on it; one that cannot be cleared is closed."""
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK", timeout=_CLEAR_SECONDS)
    except (*BROKEN, OSError, TimeoutError):
        connection.terminate()
    finally:
        await greenlet_spawn(pooled.close)


def _refuse_closed(adapted: Any, record: object, proxy: object) -> None:
    """Make the pool open a new connection in place of one that the driver knows to be closed (no round trip)."""
    if adapted.driver_connection.is_closed():
        raise DisconnectionError
