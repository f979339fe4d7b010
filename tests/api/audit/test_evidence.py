"""EvidenceService over real gRPC, and `whatlead verify` on a log that somebody with all rights has tampered with."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.postgres import Databases
from tests.serving import RunningServer, identities
from tests.stores.audit.facts import NOW, about, paused, record

from audit.application.seal import seal
from audit.infrastructure.checkpoint_file import CheckpointFile
from audit.infrastructure.notary import Notary, read_private_key
from audit.infrastructure.postgres_evidence import PostgresSealer
from audit.settings import AuditSettings
from chassis.database import Database
from console.connection import Connection
from console.evidence import leaf_hash
from console.pki import public_line
from console.verification import BadEvidence, BadKey, Outside, verify, verify_event
from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2, evidence_pb2
from whatlead.audit.v1.evidence_pb2_grpc import EvidenceServiceStub

if TYPE_CHECKING:
    from whatlead.audit.v1.evidence_pb2_grpc import EvidenceServiceAsyncStub


class Log(NamedTuple):
    """A log of ten leaves in two checkpoints: of seven, and of ten."""

    audit: RunningServer
    database: Database
    administrator: str
    file: Path
    event_ids: Sequence[str]

    def stub(self, role: str = "platform", organization_id: str = "") -> "EvidenceServiceAsyncStub":
        return EvidenceServiceStub(self.audit.public_channel(role=role, organization_id=organization_id))


async def sealed(stub: "EvidenceServiceAsyncStub", size: int) -> None:
    """Wait until the service has signed a log of that size."""
    async with asyncio.timeout(20):
        while True:
            try:
                if (await stub.GetCheckpoint(evidence_pb2.GetCheckpointRequest())).size == size:
                    return
            except Failure as failure:
                if failure.kind is not Kind.NOT_FOUND:  # nothing is signed yet
                    raise
            await asyncio.sleep(0.05)


@pytest.fixture
async def log(audit: RunningServer, databases: Databases) -> Log:
    assert isinstance(audit.settings, AuditSettings)
    url = audit.settings.database_url.get_secret_value()
    database = databases.connect(url)
    stub = EvidenceServiceStub(audit.public_channel(role="platform", organization_id=""))
    owners = ["acme", "other", "acme", "acme", "", "acme", "acme", "acme", "acme", "acme"]
    bodies = [about(str(uuid7()), 1, "MESSAGE_SENT", organization_id=owner) for owner in owners]
    bodies[owners.index("")] = paused(str(uuid7()), "EXECUTION_PAUSED", "PLATFORM", "", at=NOW)
    for body in bodies[:7]:  # a transaction each, so that leaves are in this order
        await record(database, body)
    await sealed(stub, 7)
    for body in bodies[7:]:
        await record(database, body)
    await sealed(stub, 10)
    async with asyncio.timeout(20):
        while True:  # it is copied after the commit
            if "\n\nwhatlead/audit\n10\n" in audit.settings.evidence_checkpoint_file.read_text():
                break
            await asyncio.sleep(0.05)
    return Log(
        audit=audit,
        database=database,
        administrator=databases.server.url(database=url.rpartition("/")[2]),
        file=audit.settings.evidence_checkpoint_file,
        event_ids=[event_pb2.OperationalEvent.FromString(body).event_id for body in bodies],
    )


@asynccontextmanager
async def all_powerful(log: Log) -> AsyncIterator[asyncpg.Connection]:
    """Connect as somebody whom no trigger stops."""
    connection = await asyncpg.connect(log.administrator)
    try:
        await connection.execute("SET search_path = audit")
        tables = ["evidence_leaf", "evidence_node", "evidence_checkpoint", "operational_event"]
        tables += [
            row[0] for row in await connection.fetch("SELECT DISTINCT tableoid::regclass::text FROM operational_event")
        ]
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        yield connection
    finally:
        await connection.close()


def outside(log: Log, file: Path | None = None, key: Path | None = None) -> Outside:
    return Outside.open([key or identities() / "evidence.pub"], file or log.file)


async def found(log: Log) -> str:
    """Return what the verifier says is wrong first."""
    with pytest.raises(BadEvidence) as caught:
        await verify(log.stub(), outside(log), kept_since=None, as_json=True)
    return str(caught.value)


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what was shown, from among the service's log lines."""
    out = capsys.readouterr().out
    return json.loads(out[out.index("{\n") : out.rindex("}\n") + 1])


async def test_an_honest_log_verifies_for_everyone_as_far_as_they_may_see(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = {"": (10, 0), "acme": (9, 1), "other": (2, 8)}
    for organization_id, (bodies, of_others) in expected.items():
        role = "owner" if organization_id else "platform"
        await verify(log.stub(role, organization_id), outside(log), kept_since=None, as_json=True)
        said = answer(capsys)
        assert (said["leaves"], said["bodies_checked"], said["of_others"]) == (10, bodies, of_others)
        assert said["checkpoints_checked"] >= 5  # of 7 and 10, stored and exported, and the newest
        assert said["problems"] == []


class _Growing:
    """A log of which three more leaves are sealed right after somebody asked for its newest checkpoint."""

    def __init__(self, stub: "EvidenceServiceAsyncStub") -> None:
        self._stub = stub
        self._asked = 0

    async def GetCheckpoint(
        self, request: evidence_pb2.GetCheckpointRequest, timeout: float
    ) -> evidence_pb2.GetCheckpointResponse:
        self._asked += 1
        size = 7 if self._asked == 1 else 0
        return await self._stub.GetCheckpoint(evidence_pb2.GetCheckpointRequest(size=size), timeout=timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)


async def test_a_log_that_grows_meanwhile_verifies(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    await verify(_Growing(log.stub()), outside(log), kept_since=None, as_json=True)  # type: ignore[arg-type]
    assert answer(capsys)["leaves"] == 10


async def test_foreign_events_show_a_hash_and_nothing_else(log: Log) -> None:
    page = await log.stub("owner", "other").ListLeaves(evidence_pb2.ListLeavesRequest())
    whole = await log.stub().ListLeaves(evidence_pb2.ListLeavesRequest())
    assert [leaf.event_id for leaf in whole.leaves] == list(log.event_ids)
    assert [leaf.hash for leaf in page.leaves] == [leaf_hash(leaf.body) for leaf in whole.leaves]
    shown = [leaf.position for leaf in page.leaves if leaf.event_id or leaf.HasField("body")]
    assert shown == [1, 4]  # its own, and the platform's
    for event_id in (log.event_ids[0], str(uuid7())):
        with pytest.raises(Failure) as caught:
            await log.stub("owner", "other").GetInclusionProof(evidence_pb2.GetInclusionProofRequest(event_id=event_id))
        assert (caught.value.kind, caught.value.message) == (Kind.NOT_FOUND, "event not found")


async def test_pages_end_where_they_are_asked_to_and_beyond_the_end_is_nothing(log: Log) -> None:
    page = await log.stub().ListLeaves(evidence_pb2.ListLeavesRequest(start=6, page_size=3))
    assert [leaf.position for leaf in page.leaves] == [6, 7, 8]
    assert [note.split("\n")[1] for note in page.notes][:1] == ["7"]
    beyond = await log.stub().ListLeaves(evidence_pb2.ListLeavesRequest(start=10))
    assert (list(beyond.leaves), list(beyond.notes), list(beyond.strays)) == ([], [], [])


async def test_a_page_is_short_where_bodies_are_large(log: Log) -> None:
    large = [about(str(uuid7()), 1, "MESSAGE_SENT") + b"\xfa\x07\xc0\xb8\x02" + bytes(40_000) for _ in range(120)]
    await record(log.database, *large, peer="executor")
    await sealed(log.stub(), 130)
    page = await log.stub().ListLeaves(evidence_pb2.ListLeavesRequest(start=10, page_size=1_000))
    assert 40 < len(page.leaves) < 60
    await verify(log.stub(), outside(log), kept_since=None, as_json=True)


async def test_every_single_event_is_proven(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    for position, event_id in enumerate(log.event_ids):
        await verify_event(log.stub(), outside(log), event_id, as_json=True)
        said = answer(capsys)
        assert (said["position"], said["log_size"], said["body_checked"], said["continues_exported"]) == (
            position,
            10,
            True,
            10,
        )


async def test_what_is_not_sealed_yet_is_said_so(log: Log) -> None:
    connection = await asyncpg.connect(log.administrator)
    waiting = about(str(uuid7()), 1, "MESSAGE_SENT")
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_current_xact_id()")  # holds up sealing
            await record(log.database, waiting)
            asked = evidence_pb2.GetInclusionProofRequest(
                event_id=event_pb2.OperationalEvent.FromString(waiting).event_id
            )
            with pytest.raises(Failure, match="not sealed yet") as caught:
                await log.stub("owner", "acme").GetInclusionProof(asked)
            assert caught.value.reason == "WRONG_STATE"
    finally:
        await connection.close()


@pytest.mark.parametrize(("old", "new", "field"), [(0, 3, "from_size"), (4, 3, "from_size"), (3, 11, "to_size")])
async def test_sizes_that_cannot_be_compared_are_refused(log: Log, old: int, new: int, field: str) -> None:
    with pytest.raises(Failure) as caught:
        await log.stub().GetConsistencyProof(evidence_pb2.GetConsistencyProofRequest(from_size=old, to_size=new))
    assert [violation.field for violation in caught.value.violations] == [field]


async def test_a_checkpoint_is_found_by_its_size(log: Log) -> None:
    newest = await log.stub().GetCheckpoint(evidence_pb2.GetCheckpointRequest())
    assert newest.size == 10
    assert newest.note == (await log.stub().GetCheckpoint(evidence_pb2.GetCheckpointRequest(size=10))).note
    assert newest.HasField("sign_time")
    with pytest.raises(Failure) as caught:
        await log.stub().GetCheckpoint(evidence_pb2.GetCheckpointRequest(size=11))
    assert caught.value.kind is Kind.NOT_FOUND


async def test_a_member_may_not_ask(log: Log) -> None:
    with pytest.raises(Failure) as caught:
        await log.stub("member", "acme").GetCheckpoint(evidence_pb2.GetCheckpointRequest())
    assert caught.value.kind is Kind.PERMISSION_DENIED


EVENT = "(SELECT event_id FROM evidence_leaf WHERE position = {})"
TAMPERING = {
    "flip": (
        (
            "UPDATE operational_event SET body = set_byte(body, 9, get_byte(body, 9) # 1)"
            f" WHERE event_id = {EVENT.format(3)}"
        ),
        "leaf 3 (event {3}): its body is not what was sealed",
    ),
    **{
        f"file it elsewhere: {column}": (
            f"UPDATE operational_event SET {column} = {value} WHERE event_id = {EVENT.format(3)}",
            f"leaf 3 (event {{3}}): its column {said} is not what its body says",
        )
        for column, value, said in (
            ("organization_id", "'another'", "organization_id"),
            ("aggregate_id", "gen_random_uuid()::text", "aggregate_id"),
            ("event_type", "'MESSAGE_FAILED'", "event_type"),
            ("sequence", "sequence + 1", "sequence"),
            ("occurred_at", "occurred_at - interval '1 day'", "occurred_at"),
            ("producer", "'somebody'", "producer"),
            ("actor", "actor || 'x'", "actor"),
        )
    },
    "delete": (
        f"DELETE FROM operational_event WHERE event_id = {EVENT.format(3)}",
        "leaf 3 (event {3}): its body is gone",
    ),
    "insert": (
        (
            "INSERT INTO operational_event SELECT (jsonb_populate_record(event,"
            " jsonb_build_object('event_id', '0199e3a0-0000-7000-8000-000000000000'))).*"
            f" FROM operational_event AS event WHERE event_id = {EVENT.format(3)}"
        ),
        "event 0199e3a0-0000-7000-8000-000000000000 was added after the sealing: it belongs before leaf 3",
    ),
    "swap": (
        (
            "UPDATE operational_event AS one SET body = other.body FROM operational_event AS other"
            f" WHERE one.event_id IN ({EVENT.format(3)}, {EVENT.format(5)})"
            f" AND other.event_id IN ({EVENT.format(3)}, {EVENT.format(5)}) AND one.event_id <> other.event_id"
        ),
        "leaf 3 (event {3}): its body is not what was sealed",
    ),
    "flip, and the leaf with it": (
        (
            f"UPDATE operational_event SET body = set_byte(body, 9, 1) WHERE event_id = {EVENT.format(8)};"
            " UPDATE evidence_leaf AS leaf SET hash = sha256('\\x00'::bytea || event.body)"
            " FROM operational_event AS event WHERE leaf.event_id = event.event_id"
        ),
        (
            "one of leaf 7 (event {7}) to leaf 9 (event {9}) is not what was signed: the tree fits the checkpoints up"
            " to 7 leaves, but not that of 10"
        ),
    ),
    "swap of leaves": (
        (
            "UPDATE evidence_leaf SET position = -1 WHERE position = 8; UPDATE evidence_leaf SET position = 8"
            " WHERE position = 9; UPDATE evidence_leaf SET position = 9 WHERE position = -1"
        ),
        "one of leaf 7 (event {7}) to leaf 9 (event {8}) is not what was signed",
    ),
    "delete of a leaf": ("DELETE FROM evidence_leaf WHERE position = 3", "leaf 3 is missing: leaf 4 follows"),
    "delete of an event and its leaf": (
        (
            f"DELETE FROM operational_event WHERE event_id = {EVENT.format(8)};"
            " DELETE FROM evidence_leaf WHERE position = 8; UPDATE evidence_leaf SET position = 8 WHERE position = 9"
        ),
        (
            "leaf 9 is missing: the log ends there, and the log has a checkpoint of 10 leaves; the tree fits the"
            " checkpoints up to 7 leaves"
        ),
    ),
    "truncate": (
        (
            "DELETE FROM operational_event WHERE event_id IN (SELECT event_id FROM evidence_leaf WHERE position >= 7);"
            " DELETE FROM evidence_leaf WHERE position >= 7; DELETE FROM evidence_checkpoint WHERE size > 7"
        ),
        "leaf 7 is missing: the log ends there, and {file} has a checkpoint of 10 leaves",
    ),
    "truncate of leaves only": (
        "DELETE FROM evidence_leaf WHERE position >= 8",
        "leaf 8 is missing: the log ends there, and the log has a checkpoint of 10 leaves",
    ),
    "a checkpoint": (
        "UPDATE evidence_checkpoint SET note = replace(note, E'\\n7\\n', E'\\n6\\n') WHERE size = 7",
        "a checkpoint of the log does not bear a signature of the key",
    ),
}


@pytest.mark.parametrize(("tampering", "said"), TAMPERING.values(), ids=TAMPERING.keys())
async def test_tampering_is_detected_and_the_first_bad_leaf_named(log: Log, tampering: str, said: str) -> None:
    async with all_powerful(log) as connection:
        await connection.execute(tampering)
    assert (await found(log)).startswith(said.format(*log.event_ids, file=log.file))


async def test_a_second_history_signed_with_the_same_key_is_detected(log: Log, tmp_path: Path) -> None:
    async with all_powerful(log) as connection:
        await connection.execute("TRUNCATE evidence_leaf, evidence_node, evidence_checkpoint")
        await connection.execute(
            "UPDATE operational_event SET body = body || '\\xf83f01' WHERE event_id = $1", log.event_ids[8]
        )  # one more field, which no column is made from
    notary = Notary(read_private_key(identities() / "evidence.key"))
    journal = CheckpointFile(tmp_path / "another")
    sealing = PostgresSealer(log.database).sealing
    async with asyncio.timeout(20):
        while not (await seal(sealing=sealing, notary=notary, journal=journal))[0]:
            pass
    await sealed(log.stub(), 10)
    await verify(log.stub(), outside(log, file=tmp_path / "another"), kept_since=None, as_json=True)
    first, last = log.event_ids[7], log.event_ids[9]
    assert (await found(log)).startswith(
        f"one of leaf 7 (event {first}) to leaf 9 (event {last}) is not what was signed: the tree fits the checkpoints"
        f" up to 7 leaves, but not that of 10 in {log.file}"
    )
    with pytest.raises(BadEvidence, match="two roots of the same size differ"):
        await verify_event(log.stub(), outside(log), log.event_ids[2], as_json=True)


async def test_an_exported_checkpoint_that_was_tampered_with_is_detected(log: Log, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_text(log.file.read_text().replace("\n7\n", "\n6\n"))
    with pytest.raises(BadEvidence, match=f"checkpoint 1 in {copy} does not bear a signature of the key"):
        await verify(log.stub(), outside(log, file=copy), kept_since=None, as_json=True)


async def test_a_changed_event_is_not_proven(log: Log) -> None:
    async with all_powerful(log) as connection:
        await connection.execute(TAMPERING["flip"][0])
        await connection.execute("UPDATE evidence_leaf SET hash = sha256('') WHERE position = 5")
    for position, said in ((3, "its body is not what was sealed"), (4, "does not lead from the leaf")):
        with pytest.raises(BadEvidence, match=f"{said}"):
            await verify_event(log.stub(), outside(log), log.event_ids[position], as_json=True)


async def test_another_key_verifies_nothing_and_a_bad_file_is_named(log: Log, tmp_path: Path) -> None:
    (tmp_path / "another.pub").write_text(public_line(Ed25519PrivateKey.generate()))
    with pytest.raises(BadEvidence, match="does not bear a signature of the key"):
        await verify(log.stub(), outside(log, key=tmp_path / "another.pub"), kept_since=None, as_json=True)
    (tmp_path / "no-key").write_text("hello")
    for key, file, said in (
        (tmp_path / "gone", None, "--key"),
        (tmp_path / "no-key", None, "is not a public key"),
        (None, tmp_path / "gone", "--checkpoints"),
    ):
        with pytest.raises(BadKey, match=said):
            outside(log, key=key, file=file)


async def test_the_command_says_it_in_one_line_and_by_its_exit_status(log: Log, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(identities(), data)
    shutil.copy(log.file, data / "checkpoints")
    address = f"localhost:{log.audit.ports.public}"
    Connection(gate=address, executor=address, control=address, audit=address, ca_file=str(data / "ca.pem")).save(data)

    async def whatlead(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "console.command", "verify", "--data-dir", str(data), "--organization", "acme",
            *arguments, env=dict(os.environ), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    status, out, err = await whatlead()
    assert (status, json.loads(out)["problems"], err) == (0, [], "")
    status, out, err = await whatlead("--event", log.event_ids[3])
    assert (status, json.loads(out)["position"], err) == (0, 3, "")
    async with all_powerful(log) as connection:
        await connection.execute(TAMPERING["flip"][0])
    status, out, err = await whatlead()
    wrong = f"leaf 3 (event {log.event_ids[3]}): its body is not what was sealed"
    assert (status, err) == (1, f"whatlead: the log is not what was signed: {wrong}\n")
    assert json.loads(out)["problems"] == [wrong]
    status, _, err = await whatlead("--key", str(tmp_path / "gone"))
    assert (status, "name the public key with --key" in err) == (2, True)
