"""Control as a process of its own: it starts, is killed, is stopped, and says what it lacks."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tests.api.control.conftest import eventually
from tests.api.control.test_pause import W, pause_request
from tests.postgres import Databases
from tests.serving import identities, mint

from chassis.clients import public_channel
from chassis.database import load_queries
from control.infrastructure.sessions import PostgresSessions
from kernel.errors import Failure
from kernel.ids import SessionId, uuid7
from whatlead.control.v1 import control_pb2 as pb
from whatlead.control.v1 import control_pb2_grpc


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(url: str, port: int) -> dict[str, str]:
    folder = identities()
    usual = {name: value for name, value in os.environ.items() if not name.startswith("WHATLEAD_")}
    return usual | {
        "WHATLEAD_DATABASE_URL": url,
        "WHATLEAD_PUBLIC_LISTEN": f"127.0.0.1:{port}",
        "WHATLEAD_INTERNAL_LISTEN": "127.0.0.1:0",
        "WHATLEAD_HTTP_LISTEN": "127.0.0.1:0",
        "WHATLEAD_TLS_CERT_FILE": str(folder / "control.pem"),
        "WHATLEAD_TLS_KEY_FILE": str(folder / "control.key"),
        "WHATLEAD_TLS_CA_FILE": str(folder / "ca.pem"),
        "WHATLEAD_JWKS": str(folder / "jwks.json"),
        "WHATLEAD_AUDIT_TARGET": "127.0.0.1:1",
    }


async def start(variables: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "control",
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


@asynccontextmanager
async def control_process(url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run control until the block ends, and kill it if it still runs then."""
    port = free_port()
    process = await start(environment(url, port))
    try:
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator["control_pb2_grpc.ControlServiceAsyncStub"]:
    """Yield a client once the process answers."""
    async with public_channel(f"localhost:{port}", identities() / "ca.pem", mint()) as channel:
        client: control_pb2_grpc.ControlServiceAsyncStub = control_pb2_grpc.ControlServiceStub(channel)

        async def answers() -> bool:
            try:
                await client.GetEffectiveState(pb.GetEffectiveStateRequest(), timeout=5)
            except Failure:
                return False
            return True

        await eventually(answers, seconds=5)
        yield client


async def test_a_replica_killed_while_it_waits_is_followed_by_one_that_waits_a_whole_w(
    url: str, databases: Databases
) -> None:
    sessions = PostgresSessions(databases.connect(url), load_queries("control"))
    await sessions.register(SessionId(uuid7()), "executor-1", timedelta(minutes=1))
    async with control_process(url) as (first, port), client_of(port) as client:
        waiting = asyncio.ensure_future(client.Pause(pause_request(), timeout=30))

        async def committed() -> bool:
            listed = await client.ListExecutionControls(pb.ListExecutionControlsRequest())
            return [one.state for one in listed.controls] == [pb.CONTROL_STATE_PAUSING]

        await eventually(committed)
        first.kill()
        await first.wait()
        waiting.cancel()
    began = time.monotonic()
    async with control_process(url) as (_, port), client_of(port) as client:
        answer = await client.Pause(pause_request(), timeout=10)

    assert answer.control.state == pb.CONTROL_STATE_FENCED
    assert time.monotonic() - began >= W


async def test_it_stops_when_asked(url: str) -> None:
    async with control_process(url) as (process, port), client_of(port) as client:
        await client.Pause(pause_request(wait=pb.PAUSE_WAIT_COMMITTED))
        process.terminate()
        async with asyncio.timeout(20):
            output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
    assert b"process.stopped" in output
    assert b"wrong template" not in output


async def test_it_lists_every_bad_setting_and_ends_with_2(url: str) -> None:
    variables = environment(url, 0) | {"WHATLEAD_CONTROL_PERMIT_TTL_MS": "100", "WHATLEAD_TLS_KEY_FILE": "/none"}
    process = await start(variables)
    output, _ = await process.communicate()

    assert process.returncode == 2
    assert b"WHATLEAD_CONTROL_PERMIT_TTL_MS" in output
    assert b"WHATLEAD_TLS_KEY_FILE" in output


async def test_it_refuses_a_database_that_was_not_migrated(databases: Databases) -> None:
    process = await start(environment(await databases.empty(), 0))
    output, _ = await process.communicate()

    assert process.returncode == 1
    assert b"whatlead migrate" in output
