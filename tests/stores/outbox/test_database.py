"""Transactions on a real PostgreSQL: what commits, what a caller may retry, and recovery by itself."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from tests.postgres import Databases

from chassis.database import Database, Query, load_queries
from kernel.errors import Failure, Kind
from kernel.ids import uuid7

COUNT = Query.of("count", "SELECT count(*) AS letters FROM letter")
SLEEP = Query.of("sleep", "SELECT pg_sleep(30)")
LOCK = Query.of("lock", "SELECT letter_id FROM letter WHERE letter_id = :letter_id FOR UPDATE")
END_OTHERS = Query.of(
    "end_others",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()",
)


async def insert(database: Database, *letter_ids: UUID) -> int:
    queries = load_queries("letterbox")
    async with database.transaction() as tx:
        return await tx.execute(
            queries.insert_letters, letter_ids=list(letter_ids), bodies=["dear" for _ in letter_ids]
        )


async def count(database: Database) -> int:
    async with database.autocommit() as connection:
        row = await connection.fetch_one(COUNT)
        assert row is not None
        return int(row.letters)


async def test_a_snapshot_reads_one_moment_whatever_is_committed_meanwhile(database: Database) -> None:
    async with database.snapshot() as snapshot:
        before = await snapshot.fetch_one(COUNT)
        await insert(database, uuid7())
        after = await snapshot.fetch_one(COUNT)
    assert before == after
    assert await count(database) == 1


def is_unavailable(error: BaseException) -> bool:
    return (
        isinstance(error, Failure)
        and (error.kind, error.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        and error.retry_after is not None
    )


async def test_a_transaction_commits_at_its_end_and_rolls_back_when_it_raises(database: Database) -> None:
    assert await insert(database, uuid7(), uuid7()) == 2
    assert await count(database) == 2

    async def fail() -> None:
        async with database.transaction() as tx:
            await tx.execute(Query.of("clear", "DELETE FROM letter"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count(database) == 2


async def test_copy_belongs_to_the_transaction_even_as_its_first_statement(database: Database) -> None:
    async with database.transaction() as tx:
        assert await tx.copy("letter", ["letter_id", "body"], [(uuid7(), "a"), (uuid7(), "b")]) == 2

    async def fail() -> None:
        async with database.transaction() as tx:
            await tx.copy("letter", ["letter_id", "body"], [(uuid7(), "c")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count(database) == 2


async def test_a_violated_constraint_passes_as_itself(database: Database) -> None:
    letter_id = uuid7()
    await insert(database, letter_id)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await insert(database, letter_id)


SECRET = "call Ana\non +5511987654321"
NO_ID = Query.of("no_id", "INSERT INTO letter (body) VALUES (:body)")
BAD_CAST = Query.of("bad_cast", "SELECT CAST(CAST(:body AS text) AS int)")


@pytest.mark.parametrize(
    ("way", "named"),
    [("insert", "letter_id"), ("copy", "letter_id"), ("cast", "22P02"), ("bind", "DataError")],
)
async def test_an_error_names_places_and_never_quotes_what_is_stored(database: Database, way: str, named: str) -> None:
    async def fail() -> None:
        async with database.transaction() as tx:
            match way:
                case "insert":
                    await tx.execute(NO_ID, body=SECRET)
                case "copy":
                    await tx.copy("letter", ["letter_id", "body"], [(None, SECRET)])
                case "cast":
                    await tx.fetch(BAD_CAST, body=SECRET)
                case _:
                    await tx.fetch(LOCK, letter_id=SECRET)

    with pytest.raises(asyncpg.PostgresError) as raised:
        await fail()
    told = "".join(traceback.format_exception(raised.value))
    assert named in told
    assert "Ana" not in told
    assert "987654321" not in told


async def test_a_lost_connection_is_unavailable_once_and_then_the_pool_is_whole_again(
    database: Database,
) -> None:
    async def be_cut_off() -> None:
        async with database.transaction() as tx:
            await tx.fetch_one(COUNT)
            async with database.transaction() as other:
                await other.fetch(END_OTHERS)
            await tx.fetch_one(COUNT)

    with pytest.raises(Failure) as caught:
        await be_cut_off()
    assert is_unavailable(caught.value)
    for _ in range(20):
        assert await count(database) == 0


async def test_connections_that_died_while_idle_are_replaced_unnoticed(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(count(database))
    async with database.autocommit() as connection:
        await connection.fetch(END_OTHERS)
        await asyncio.sleep(0.1)  # for the driver to read that they were closed
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(count(database))


async def test_a_server_that_is_away_is_unavailable_and_usable_when_it_returns(databases: Databases) -> None:
    database = await databases.database("letterbox")
    assert await database.ready()
    await databases.server.stop()
    try:
        with pytest.raises(Failure) as caught:
            await count(database)
        assert is_unavailable(caught.value)
        assert not await database.ready()
    finally:
        await databases.server.start()
    assert await database.ready()
    assert await count(database) == 0


async def test_deadlocks_and_timeouts_are_unavailable(database: Database) -> None:
    first, second = uuid7(), uuid7()
    await insert(database, first, second)
    meeting = asyncio.Barrier(2)

    async def lock(one: UUID, other: UUID) -> None:
        async with database.transaction() as tx:
            await tx.fetch_one(LOCK, letter_id=one)
            await meeting.wait()
            await tx.fetch_one(LOCK, letter_id=other)

    results = await asyncio.gather(lock(first, second), lock(second, first), return_exceptions=True)
    errors = [result for result in results if result is not None]
    assert len(errors) == 1
    assert is_unavailable(errors[0])

    async def sleep_too_long() -> None:
        async with database.transaction() as tx:
            await tx.execute(Query.of("limit", "SET LOCAL statement_timeout = '50ms'"))
            await tx.fetch(SLEEP)

    with pytest.raises(Failure) as caught:
        await sleep_too_long()
    assert is_unavailable(caught.value)


async def test_a_full_pool_is_unavailable(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.database._POOL_SECONDS", 0.1)
    database = await databases.database("letterbox", pool_size=1)
    async with database.transaction() as tx:
        await tx.fetch_one(COUNT)
        with pytest.raises(Failure) as caught:
            await count(database)
    assert is_unavailable(caught.value)


async def test_what_follows_a_transaction_that_was_cancelled_as_it_began_is_committed(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server opens it after it was given up: the next one to borrow the connection must not write into it."""
    url = await databases.url("letterbox")
    database = databases.connect(url, pool_size=1)
    execute = asyncpg.Connection.execute

    def begin_and_cancel(connection: asyncpg.Connection, words: str, **options: object) -> Awaitable[str]:
        if words == "BEGIN":
            asyncio.get_running_loop().call_soon(giving_up.cancel)
        return execute(connection, words, **options)

    assert await count(database) == 0
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "execute", begin_and_cancel)
        giving_up = asyncio.create_task(insert(database, uuid7()))
        with pytest.raises(asyncio.CancelledError):
            await giving_up
    async with database.autocommit() as tx:
        await tx.execute(load_queries("letterbox").insert_letters, letter_ids=[uuid7()], bodies=["dear"])
    assert await count(databases.connect(url)) == 1


async def test_who_gives_up_does_not_wait_for_a_server_that_does_not_answer(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await databases.database("letterbox", pool_size=1)
    answer, execute = asyncio.Event(), asyncpg.Connection.execute

    async def late(connection: asyncpg.Connection, words: str, **options: object) -> str:
        if words == "ROLLBACK":
            await answer.wait()
        return str(await execute(connection, words, **options))

    monkeypatch.setattr(asyncpg.Connection, "execute", late)
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), database.autocommit() as tx:
                await tx.fetch(SLEEP)
        answer.set()
        assert await count(database) == 0, "and the connection is lent again when it is clear"


async def test_a_cancelled_transaction_leaves_nothing_behind(databases: Databases) -> None:
    database = await databases.database("letterbox", pool_size=1)
    begun = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as tx:
            await tx.copy("letter", ["letter_id", "body"], [(uuid7(), "a")])
            begun.set()
            await tx.fetch(SLEEP)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        assert await count(database) == 0


async def test_time_is_utc_and_commits_are_durable(
    service_database: Callable[[str], Awaitable[Database]],
) -> None:
    database = await service_database("letterbox")
    async with database.transaction() as tx:
        for setting, value in (("timezone", "UTC"), ("fsync", "on"), ("synchronous_commit", "on")):
            row = await tx.fetch_one(Query.of("show", "SELECT current_setting(:name) AS value"), name=setting)
            assert row is not None
            assert row.value == value


async def test_urls_of_libpq_are_understood(databases: Databases) -> None:
    url = await databases.url("letterbox")
    database = databases.connect(f"{url}?sslmode=disable")
    assert await count(database) == 0
    with pytest.raises(asyncpg.InvalidPasswordError, match="password authentication failed"):
        await count(databases.connect(url.replace("whatlead_letterbox:", "whatlead_letterbox:wrong")))
