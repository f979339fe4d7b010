"""`python -m audit`: starts from its environment alone, refuses a bad one, stops when asked."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from tests.postgres import Databases
from tests.serving import identities


async def start(**values: str) -> Process:
    """Start the service with nothing but these settings in its environment."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WHATLEAD_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "audit", env=plain | values, stdout=PIPE, stderr=PIPE
    )


async def end(process: Process) -> None:
    """See that nothing outlives its test."""
    if process.returncode is None:
        process.kill()
        await process.wait()


def settings(url: str, checkpoints: Path) -> dict[str, str]:
    folder = identities()
    return {
        "WHATLEAD_DATABASE_URL": url,
        "WHATLEAD_TLS_CERT_FILE": str(folder / "audit.pem"),
        "WHATLEAD_TLS_KEY_FILE": str(folder / "audit.key"),
        "WHATLEAD_TLS_CA_FILE": str(folder / "ca.pem"),
        "WHATLEAD_JWKS": str(folder / "jwks.json"),
        "WHATLEAD_EVIDENCE_KEY_FILE": str(folder / "evidence.key"),
        "WHATLEAD_EVIDENCE_CHECKPOINT_FILE": str(checkpoints),
        **{f"WHATLEAD_{name}_LISTEN": "127.0.0.1:0" for name in ("PUBLIC", "INTERNAL", "HTTP")},
    }


async def test_it_serves_and_stops_when_asked(databases: Databases, tmp_path: Path) -> None:
    process = await start(**settings(await databases.url("audit"), tmp_path / "checkpoints"))
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while line := await process.stdout.readline():
                if b"process.serving" in line:
                    break
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        await end(process)


async def test_every_bad_setting_is_reported_at_once() -> None:
    process = await start(WHATLEAD_HTTP_LISTEN="nowhere", WHATLEAD_AUDIT_PARTITION_WEEKS="0")
    try:
        async with asyncio.timeout(30):
            _, said = await process.communicate()
        assert process.returncode == 2
        for name in ("DATABASE_URL", "HTTP_LISTEN", "AUDIT_PARTITION_WEEKS", "TLS_KEY_FILE", "JWKS"):
            assert f"WHATLEAD_{name}" in said.decode()
    finally:
        await end(process)


async def test_it_refuses_a_database_without_its_schema(databases: Databases, tmp_path: Path) -> None:
    process = await start(**settings(databases.server.url(database="postgres"), tmp_path / "checkpoints"))
    try:
        async with asyncio.timeout(30):
            said, _ = await process.communicate()
        assert process.returncode == 1
        assert b"SCHEMA_OUTDATED" in said
        assert b"whatlead migrate" in said
    finally:
        await end(process)


async def test_it_does_not_start_without_a_key_or_a_place_for_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "another.key").write_bytes((identities() / "audit.key").read_bytes())
    for key, checkpoints, said in (
        ("", "", ("EVIDENCE_KEY_FILE: not set", "EVIDENCE_CHECKPOINT_FILE: not set")),
        (str(tmp_path / "gone"), str(tmp_path / "gone" / "x"), ("does not point to a file", "in a folder that exists")),
        (str(tmp_path / "another.key"), str(tmp_path), ("`whatlead keys` makes one", "in a folder that exists")),
    ):
        given = settings("postgresql://nobody@127.0.0.1:1/none", Path(checkpoints))
        given |= {"WHATLEAD_EVIDENCE_KEY_FILE": key, "WHATLEAD_EVIDENCE_CHECKPOINT_FILE": checkpoints}
        process = await start(**{name: value for name, value in given.items() if value})
        try:
            async with asyncio.timeout(30):
                _, heard = await process.communicate()
            assert process.returncode == 2
            assert all(part in heard.decode() for part in said), heard.decode()
        finally:
            await end(process)
