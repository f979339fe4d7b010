"""`python -m audit`: starts from its environment alone, refuses a bad one, stops when asked."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

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


def settings(url: str) -> dict[str, str]:
    folder = identities()
    return {
        "WHATLEAD_DATABASE_URL": url,
        "WHATLEAD_TLS_CERT_FILE": str(folder / "audit.pem"),
        "WHATLEAD_TLS_KEY_FILE": str(folder / "audit.key"),
        "WHATLEAD_TLS_CA_FILE": str(folder / "ca.pem"),
        "WHATLEAD_JWKS": str(folder / "jwks.json"),
        **{f"WHATLEAD_{name}_LISTEN": "127.0.0.1:0" for name in ("PUBLIC", "INTERNAL", "HTTP")},
    }


async def test_it_serves_and_stops_when_asked(databases: Databases) -> None:
    process = await start(**settings(await databases.url("audit")))
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


async def test_it_refuses_a_database_without_its_schema(databases: Databases) -> None:
    process = await start(**settings(databases.server.url(database="postgres")))
    try:
        async with asyncio.timeout(30):
            said, _ = await process.communicate()
        assert process.returncode == 1
        assert b"SCHEMA_OUTDATED" in said
        assert b"whatlead migrate" in said
    finally:
        await end(process)
