"""A process starts or says why not, and stops without losing a call."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.serving import identities, mint

from chassis.clients import public_channel
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2, control_pb2_grpc

SERVICE = Path(__file__).with_name("slow_service.py")


class Lines:
    """The log lines of a process, as they come."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self.read: list[dict[str, Any]] = []

    async def until(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while line := await self._stream.readline():
                self.read.append(json.loads(line))
                if self.read[-1]["event"] == event:
                    return self.read[-1]
        raise AssertionError(f"ended without {event}: {self.events()}")

    async def rest(self) -> None:
        self.read.extend([json.loads(line) async for line in self._stream])

    def events(self) -> list[str]:
        return [line["event"] for line in self.read if line["event"] != "call.served"]


@asynccontextmanager
async def process(loop: str = "runs", **environment: str) -> AsyncIterator[tuple[Process, Lines]]:
    folder = identities()
    variables = {
        "WHATLEAD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "WHATLEAD_PUBLIC_LISTEN": "127.0.0.1:0",
        "WHATLEAD_INTERNAL_LISTEN": "127.0.0.1:0",
        "WHATLEAD_HTTP_LISTEN": "127.0.0.1:0",
        "WHATLEAD_TLS_CERT_FILE": str(folder / "control.pem"),
        "WHATLEAD_TLS_KEY_FILE": str(folder / "control.key"),
        "WHATLEAD_TLS_CA_FILE": str(folder / "ca.pem"),
        "WHATLEAD_JWKS": str(folder / "jwks.json"),
        "LOOP": loop,
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVICE), stdout=PIPE, stderr=PIPE, env=variables | environment
    )
    assert started.stdout is not None
    try:
        yield started, Lines(started.stdout)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def ended(started: Process) -> int:
    async with asyncio.timeout(20):
        return await started.wait()


def channel_to(port: int) -> grpc.aio.Channel:
    return public_channel(f"localhost:{port}", identities() / "ca.pem", mint())


async def ask(channel: grpc.aio.Channel, instance: str = "") -> Any:
    stub: Any = control_pb2_grpc.ControlServiceStub(channel)
    return await stub.GetEffectiveState(control_pb2.GetEffectiveStateRequest(instance_id=instance))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_call_under_way_is_finished_before_anything_closes(number: signal.Signals) -> None:
    async with process() as (started, lines):
        port = (await lines.until("process.serving"))["public"]
        async with channel_to(port) as channel:
            call = asyncio.create_task(ask(channel))
            await lines.until("slow.asked")
            started.send_signal(number)
            await lines.until("process.stopping")
            assert await call == control_pb2.GetEffectiveStateResponse()
        await lines.rest()
        assert await ended(started) == 0
    events = lines.events()
    assert events[events.index("process.stopping") :] == [
        "process.stopping",
        "slow.answered",
        "slow.loop_ended",
        "slow.second_opened",
        "slow.first_opened",
        "process.stopped",
        "slow.closed",
    ]


async def test_who_comes_after_the_stop_is_sent_away() -> None:
    async with process() as (started, lines):
        port = (await lines.until("process.serving"))["public"]
        started.terminate()
        assert await ended(started) == 0
        async with channel_to(port) as channel:
            with pytest.raises(Failure) as raised:
                await ask(channel)
    assert raised.value.kind is Kind.UNAVAILABLE


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        ("dies", lambda line: "the loop is broken" in line["exception"]),
        ("returns", lambda line: "the loop slow ended by itself" in line["exception"]),
    ],
)
async def test_a_loop_that_dies_ends_the_process(loop: str, said: Callable[[dict[str, Any]], bool]) -> None:
    async with process(loop) as (started, lines):
        assert said(await lines.until("process.failed"))
        assert await ended(started) == 1


@pytest.mark.parametrize(
    ("environment", "reason", "message"),
    [
        ({"LOOP": "outdated"}, "SCHEMA_OUTDATED", "run `whatlead migrate`"),
        ({"WHATLEAD_HTTP_LISTEN": "192.0.2.1:7201"}, "WRONG_STATE", "cannot listen at 192.0.2.1:7201"),
        ({"WHATLEAD_INTERNAL_LISTEN": "192.0.2.1:7101"}, "WRONG_STATE", "cannot listen at 192.0.2.1:7101"),
    ],
    ids=["outdated schema", "http address", "grpc address"],
)
async def test_a_process_that_cannot_start_says_why(environment: dict[str, str], reason: str, message: str) -> None:
    async with process(**environment) as (started, lines):
        line = await lines.until("process.refused_to_start")
        assert line["reason"] == reason
        assert message in line["message"]
        assert await ended(started) == 1


async def test_two_processes_cannot_share_a_port() -> None:
    async with process() as (_, lines):
        port = (await lines.until("process.serving"))["public"]
        async with process(WHATLEAD_PUBLIC_LISTEN=f"127.0.0.1:{port}") as (second, other):
            assert "is it in use" in (await other.until("process.refused_to_start"))["message"]
            assert await ended(second) == 1


async def test_bad_settings_end_with_2_and_a_list() -> None:
    async with process(WHATLEAD_PUBLIC_LISTEN="nowhere", WHATLEAD_JWKS="/nowhere") as (started, _):
        assert await ended(started) == 2
        assert started.stderr is not None
        said = (await started.stderr.read()).decode()
    assert "WHATLEAD_PUBLIC_LISTEN: " in said
    assert "WHATLEAD_JWKS: " in said


async def test_every_line_can_be_joined_by_its_trace_and_shows_no_number() -> None:
    async with process() as (started, lines):
        port = (await lines.until("process.serving"))["public"]
        async with channel_to(port) as channel:
            with pytest.raises(Failure):
                await ask(channel, "bug")
        bug = await lines.until("call.failed")
        served = await lines.until("call.served")
        started.terminate()
        assert await ended(started) == 0
    assert bug["trace_id"] == served["trace_id"] != "0" * 32
    assert (bug["service"], served["correlation_id"]) == ("slow", bug["correlation_id"])
    assert "ValueError: no such number: <number>" in bug["exception"]
    assert "5511987654321" not in json.dumps(lines.read)
