"""Sealing on a real database: each committed event once and in order, whatever happens; no fork is signed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.postgres import Databases
from tests.stores.audit.facts import about, record

from audit.application.seal import SUMMARIZE_AFTER_EVENTS, keep_sealing, seal
from audit.domain.checkpoint import Checkpoint, Refused
from audit.domain.merkle import Tree, inclusion_path, leaf_hash
from audit.infrastructure import postgres_evidence
from audit.infrastructure.checkpoint_file import CheckpointFile
from audit.infrastructure.notary import Notary
from audit.infrastructure.postgres_evidence import PostgresEvidence, PostgresSealer
from chassis.database import Database, Query
from console.evidence import Checkpoint as Known
from console.evidence import check_inclusion
from kernel.ids import uuid7

KEY = Ed25519PrivateKey.generate()
LEAVES = Query.of("leaves", "SELECT * FROM evidence_leaf ORDER BY position")
EVENTS = Query.of("events", "SELECT event_id, body FROM operational_event ORDER BY xid8, event_id")
CHECKPOINTS = Query.of("checkpoints", "SELECT size, note FROM evidence_checkpoint ORDER BY size")
FILLED = "SELECT DISTINCT tableoid::regclass::text FROM operational_event"
Seal = Callable[[], Awaitable[tuple[int, bool]]]


def sealer(database: Database, file: Path, key: Ed25519PrivateKey = KEY) -> Seal:
    """Make a replica's sealer."""
    return partial(seal, sealing=PostgresSealer(database).sealing, notary=Notary(key), journal=CheckpointFile(file))


async def rows(database: Database, query: Query) -> Any:
    async with database.transaction() as tx:
        return await tx.fetch(query)


async def sealed(once: Seal, database: Database, count: int) -> None:
    """Seal until the log has that many leaves. Any transaction of this server may hold up the horizon for a moment."""
    async with asyncio.timeout(20):
        while len(await rows(database, LEAVES)) < count:
            await once()
            await asyncio.sleep(0)


async def check_log(database: Database) -> None:
    """See that the log is exactly the stored events in order, and that every checkpoint is of its beginning."""
    leaves, events = await rows(database, LEAVES), await rows(database, EVENTS)
    assert [leaf.position for leaf in leaves] == list(range(len(events)))
    assert [leaf.event_id for leaf in leaves] == [event.event_id for event in events]
    assert [leaf.hash for leaf in leaves] == [leaf_hash(event.body) for event in events]
    tree, notary = Tree(), Notary(KEY)
    for size, note in await rows(database, CHECKPOINTS):
        list(tree.append(leaf.hash for leaf in leaves[tree.size : size]))
        assert notary.read(note) == Checkpoint(size=size, root=tree.root())
    assert tree.size == len(leaves)


def some(count: int) -> list[bytes]:
    return [about(str(uuid7()), 1, "MESSAGE_SENT") for _ in range(count)]


async def test_nothing_is_sealed_before_older_transactions_have_ended(databases: Databases, tmp_path: Path) -> None:
    url = await databases.url("audit")
    database = databases.connect(url)
    once = sealer(database, tmp_path / "checkpoints")
    await record(database, *some(3))
    await sealed(once, database, 3)
    older = await asyncpg.connect(url)
    try:
        transaction = older.transaction()
        await transaction.start()
        await older.execute("SELECT pg_current_xact_id()")
        await record(database, *some(4))
        for _ in range(3):
            assert (await once())[0] == 0
        await older.execute(
            """
            INSERT INTO operational_event SELECT (jsonb_populate_record(event,
                jsonb_build_object('event_id', $1::text, 'xid8', pg_current_xact_id()::text))).*
            FROM operational_event AS event LIMIT 1
            """,
            str(uuid7()),
        )
        await transaction.commit()
    finally:
        await older.close()
    await sealed(once, database, 8)
    await check_log(database)


async def test_replicas_seal_while_events_arrive_and_none_is_lost_doubled_or_out_of_order(
    databases: Databases, tmp_path: Path
) -> None:
    url = await databases.url("audit")
    database = databases.connect(url)
    replicas = [sealer(databases.connect(url), tmp_path / f"checkpoints-{number}") for number in range(2)]
    await record(database, *some(9))
    await sealed(replicas[1], database, 9)
    arriving = [asyncio.create_task(record(database, *some(size))) for size in (1, 30, 7, 300, 2, 45) * 5]
    rounds = 0
    async with asyncio.timeout(60):
        while not all(task.done() for task in arriving) or rounds < 10:
            await asyncio.gather(*(once() for once in replicas))
            rounds += 1
    await asyncio.gather(*arriving)
    await sealed(replicas[0], database, 9 + 5 * 385)
    await check_log(database)
    assert len(await rows(database, CHECKPOINTS)) > 1


async def test_a_second_sealer_leaves_the_log_alone_while_the_first_is_at_it(
    databases: Databases, tmp_path: Path
) -> None:
    url = await databases.url("audit")
    database = databases.connect(url)
    await record(database, *some(3))
    async with PostgresSealer(database).sealing() as first:
        assert first is not None
        assert await sealer(databases.connect(url), tmp_path / "checkpoints")() == (0, False)
    await sealed(sealer(database, tmp_path / "checkpoints"), database, 3)


async def test_a_backlog_is_sealed_in_bounded_parts(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_evidence, "LEAVES_AT_ONCE", 40)
    database = await databases.database("audit")
    for size in (150, 1, 25, 25, 25, 1):
        await record(database, *some(size))
    once, parts = sealer(database, tmp_path / "checkpoints"), []
    async with asyncio.timeout(20):
        while sum(parts) < 227:
            parts.append((await once())[0])
    assert max(parts) == 40
    await check_log(database)


class Crash(Exception):
    """A process that ends here."""


class _Dies:
    """A notary or a journal that ends the process."""

    def __init__(self, inner: Any, method: str) -> None:
        self._inner, self._method = inner, method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise Crash
        return getattr(self._inner, name)


async def test_a_crash_leaves_all_of_a_round_or_nothing_and_the_file_catches_up(
    databases: Databases, tmp_path: Path
) -> None:
    database = await databases.database("audit")
    file = CheckpointFile(tmp_path / "checkpoints")
    await record(database, *some(5))
    sealing = PostgresSealer(database).sealing
    with pytest.raises(Crash):  # leaves are written, nothing is signed
        await sealed(partial(seal, sealing=sealing, notary=_Dies(Notary(KEY), "sign"), journal=file), database, 6)
    assert await rows(database, LEAVES) == []
    with pytest.raises(Crash):  # committed, not yet copied
        await sealed(partial(seal, sealing=sealing, notary=Notary(KEY), journal=_Dies(file, "append")), database, 6)
    assert len(await rows(database, LEAVES)) == 5
    assert file.newest() is None
    assert await sealer(database, tmp_path / "checkpoints")() == (0, False)
    assert file.newest() == (await rows(database, CHECKPOINTS))[-1].note
    await record(database, *some(5))
    await sealed(sealer(database, tmp_path / "checkpoints"), database, 10)
    await check_log(database)


async def test_the_log_outlives_the_events_and_what_was_dropped_before_is_no_leaf(
    databases: Databases, tmp_path: Path
) -> None:
    url = await databases.url("audit")
    database = databases.connect(url)
    once = sealer(database, tmp_path / "checkpoints")
    bodies = some(4)
    await record(database, *bodies)
    await sealed(once, database, 4)
    await record(database, *some(3))
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    try:
        for (partition,) in await administrator.fetch(
            "SELECT DISTINCT tableoid::regclass::text FROM audit.operational_event"
        ):
            await administrator.execute(f"ALTER TABLE audit.operational_event DETACH PARTITION {partition}")
            await administrator.execute(f"DROP TABLE {partition}")
    finally:
        await administrator.close()
    await once()
    await record(database, *some(2))
    await sealed(once, database, 6)
    leaves = await rows(database, LEAVES)
    assert [leaf.position for leaf in leaves] == list(range(6))
    assert {leaf.hash for leaf in leaves[:4]} == {leaf_hash(body) for body in bodies}
    evidence = PostgresEvidence(database)
    newest = await evidence.checkpoint()
    assert newest is not None
    root = Notary(KEY).read(newest.note).root
    path = await evidence.roots(inclusion_path(1, 6))
    check_inclusion(leaves[1].hash, 1, Known(size=6, root=root), path)


@pytest.fixture
async def log(databases: Databases, tmp_path: Path) -> tuple[Database, asyncpg.Connection, Path]:
    """A log of 300 leaves in two checkpoints, an administrator, and the file."""
    url = await databases.url("audit")
    database, file = databases.connect(url), tmp_path / "checkpoints"
    for size in (260, 300):
        await record(database, *some(size - len(await rows(database, EVENTS))))
        await sealed(sealer(database, file), database, size)
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    await administrator.execute("SET search_path = audit")
    for table in ("evidence_leaf", "evidence_node", "evidence_checkpoint"):
        await administrator.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    return database, administrator, file


FORGERIES = {
    "the tail is cut off": (
        "DELETE FROM evidence_leaf WHERE position >= 260; DELETE FROM evidence_checkpoint WHERE size > 260",
        "the database ends at 260",
    ),
    "everything is gone": (
        "DELETE FROM evidence_leaf; DELETE FROM evidence_node; DELETE FROM evidence_checkpoint",
        "the database ends at 0",
    ),
    "leaves are gone": ("DELETE FROM evidence_leaf WHERE position >= 298", "leaf 298 is not stored"),
    "leaves are added": (
        "INSERT INTO evidence_leaf SELECT 300, transaction_id, event_id, '', hash FROM evidence_leaf LIMIT 1",
        "301 are stored",
    ),
    "a leaf is another": ("UPDATE evidence_leaf SET hash = sha256('') WHERE position = 299", "does not have the root"),
    "a node is another": ("UPDATE evidence_node SET hash = sha256('')", "does not have the root"),
    "a node is gone": ("DELETE FROM evidence_node", "node 0 of level 8 is not stored"),
    "a checkpoint is another": (
        "UPDATE evidence_checkpoint SET note = replace(note, '300', '299') WHERE size = 300",
        "not signed with the evidence key",
    ),
    "transactions count anew": (
        "UPDATE evidence_leaf SET transaction_id = 1000000000 WHERE position = 299",
        "counts transactions anew",
    ),
}


@pytest.mark.parametrize(("forgery", "said"), FORGERIES.values(), ids=FORGERIES.keys())
async def test_nothing_is_signed_on_a_log_that_is_not_what_was_signed(
    log: tuple[Database, asyncpg.Connection, Path], forgery: str, said: str
) -> None:
    database, administrator, file = log
    before = file.read_bytes()
    try:
        await administrator.execute(forgery)
    finally:
        await administrator.close()
    await record(database, *some(2))
    signed = await rows(database, CHECKPOINTS)
    with pytest.raises(Refused, match=said):
        await sealer(database, file)()
    assert await rows(database, CHECKPOINTS) == signed
    assert file.read_bytes() == before


async def test_a_second_history_with_the_same_key_is_not_continued(
    log: tuple[Database, asyncpg.Connection, Path], tmp_path: Path
) -> None:
    database, administrator, file = log
    try:
        await administrator.execute("TRUNCATE evidence_leaf, evidence_node, evidence_checkpoint")
        await administrator.execute("ALTER TABLE operational_event DISABLE TRIGGER append_only")
        for (partition,) in await administrator.fetch(
            "SELECT DISTINCT tableoid::regclass::text FROM operational_event"
        ):
            await administrator.execute(f"ALTER TABLE {partition} DISABLE TRIGGER append_only")
        await administrator.execute(
            "UPDATE operational_event SET body = body || '\\x00'"
            " WHERE event_id = (SELECT event_id FROM operational_event LIMIT 1)"
        )
    finally:
        await administrator.close()
    await record(database, *some(20))
    await sealed(sealer(database, tmp_path / "another"), database, 320)
    with pytest.raises(Refused, match="whose first 300 leaves the checkpoint file names"):
        await sealer(database, file)()


async def test_another_key_does_not_continue_the_log(log: tuple[Database, asyncpg.Connection, Path]) -> None:
    database, administrator, file = log
    await administrator.close()
    another = Ed25519PrivateKey.generate()
    with pytest.raises(Refused, match="not signed with the evidence key"):
        await sealer(database, file, another)()
    await record(database, *some(2))
    rotated = partial(
        seal,
        sealing=PostgresSealer(database).sealing,
        notary=Notary(another, [KEY.public_key()]),
        journal=CheckpointFile(file),
    )
    await sealed(rotated, database, 302)
    assert Notary(another).read(str(CheckpointFile(file).newest())).size == 302


CHANGES = ("UPDATE {} SET hash = hash", "DELETE FROM {}", "TRUNCATE {}")


async def test_the_index_is_told_of_new_events_at_once_where_they_are_many() -> None:
    stop, told, sealed = asyncio.Event(), list[int](), 0
    rounds = [3, SUMMARIZE_AFTER_EVENTS - 1, 1, 7]

    async def once() -> tuple[int, bool]:
        nonlocal sealed
        sealed += rounds[0]
        if len(rounds) == 1:
            stop.set()
        return rounds.pop(0), True

    async def summarize() -> None:
        told.append(sealed)

    async with asyncio.timeout(10):
        await keep_sealing(stop, seal=once, summarize=summarize, count=lambda _: None, alarm=lambda _: None)
    assert told == [3, SUMMARIZE_AFTER_EVENTS + 3]


async def test_the_index_is_told_of_new_events_without_waiting_for_a_vacuum(databases: Databases) -> None:
    url = await databases.url("audit")
    database = databases.connect(url)
    summarized = Query.of("summarized", "SELECT summarize_transactions() AS parts")
    vacuum = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    try:
        await record(database, *some(3_000))  # more than the pages that one entry of the index is of
        async with vacuum.transaction():
            for (filled,) in await vacuum.fetch(FILLED.replace("FROM ", "FROM audit.")):
                await vacuum.execute(f"LOCK TABLE {filled} IN SHARE UPDATE EXCLUSIVE MODE")
            assert (await rows(database, summarized))[0].parts == 0
        assert (await rows(database, summarized))[0].parts > 0
    finally:
        await vacuum.close()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", ["evidence_leaf", "evidence_node", "evidence_checkpoint"])
async def test_the_log_can_only_grow(databases: Databases, table: str, change: str) -> None:
    url = await databases.url("audit")
    statement = change.format(f"audit.{table}").replace("hash", "size" if "checkpoint" in table else "hash")
    service = await asyncpg.connect(url)
    administrator = await asyncpg.connect(databases.server.url(database=url.rpartition("/")[2]))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await service.execute(statement)
        for role in ("postgres", "whatlead_audit_owner"):
            await administrator.execute(f"SET ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"{table} is append-only"):
                await administrator.execute(statement)
            await administrator.execute("RESET ROLE")
    finally:
        await service.close()
        await administrator.close()


async def test_the_loop_seals_goes_on_after_a_refusal_and_says_it_once(databases: Databases, tmp_path: Path) -> None:
    database = await databases.database("audit")
    await record(database, *some(3))
    stop, said, counted, file = asyncio.Event(), list[str](), list[int](), tmp_path / "checkpoints"
    file.write_text("a shopping list\n")
    replica = sealer(database, file)
    calls = 0

    async def once() -> tuple[int, bool]:
        nonlocal calls
        calls += 1
        if calls == 3:
            file.unlink()
        return await replica()

    async def summarize() -> None:  # comes after the first round that sealed
        await PostgresSealer(database).summarize()
        stop.set()

    async with asyncio.timeout(30):
        await keep_sealing(
            stop,
            seal=once,
            summarize=summarize,
            count=counted.append,
            alarm=lambda refused: said.append(str(refused)),
        )
    assert said == [f"{file} is not a file of checkpoints"]
    assert sum(counted) == 3
    await check_log(database)
