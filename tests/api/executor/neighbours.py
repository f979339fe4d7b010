"""What stands around an executor process: control, audit and gate in this process, the simulator in its own."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.serving import identities, running, settings_of

from chassis.serving import Registration
from chassis.settings import ServiceSettings
from whatlead.audit.v1 import event_pb2, event_pb2_grpc
from whatlead.control.v1 import control_pb2, control_pb2_grpc
from whatlead.gate.v1 import gate_pb2, gate_pb2_grpc, signal_pb2, signal_pb2_grpc


@dataclass
class Heard:
    """What an executor told its neighbours; `allowed` is what control answers, `sessions` are those open."""

    allowed: bool = True
    checks: int = 0
    sessions: list[str] = field(default_factory=list)
    events: list[event_pb2.OperationalEvent] = field(default_factory=list)

    def types(self, intent_id: str) -> list[str]:
        mine = sorted(
            (event for event in self.events if event.aggregate_id == intent_id), key=lambda event: event.sequence
        )
        return [event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_MESSAGE_") for event in mine]


class Control(control_pb2_grpc.ControlServiceServicer):
    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    async def CheckExecutions(self, request: control_pb2.CheckExecutionsRequest, context: object) -> Any:
        self._heard.checks += 1
        answer = control_pb2.ScopeAnswer(organization_version=1)
        if self._heard.allowed:
            answer.allowed.rate_factor = 1.0
        response = control_pb2.CheckExecutionsResponse(answers=[answer] * len(request.scopes), platform_version=1)
        response.ttl.FromMilliseconds(500)
        return response

    async def RegisterSession(self, request: control_pb2.RegisterSessionRequest, context: object) -> Any:
        self._heard.sessions.append(request.session_id)
        return control_pb2.RegisterSessionResponse()

    async def AcknowledgePauses(self, request: control_pb2.AcknowledgePausesRequest, context: object) -> Any:
        return control_pb2.AcknowledgePausesResponse()

    async def EndSession(self, request: control_pb2.EndSessionRequest, context: object) -> Any:
        self._heard.sessions.remove(request.session_id)
        return control_pb2.EndSessionResponse()

    async def WatchExecutionControls(self, request: object, context: object) -> Any:
        yield control_pb2.WatchExecutionControlsResponse(snapshot=control_pb2.ExecutionControlSnapshot())
        await asyncio.Event().wait()


class Audit(event_pb2_grpc.EventServiceServicer):
    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    async def RecordEvents(self, request: event_pb2.RecordEventsRequest, context: object) -> Any:
        self._heard.events.extend(map(event_pb2.OperationalEvent.FromString, request.events))
        return event_pb2.RecordEventsResponse()


class Gate(gate_pb2_grpc.GateServiceServicer):
    async def ReturnIntents(self, request: object, context: object) -> Any:
        return gate_pb2.ReturnIntentsResponse()


class Signals(signal_pb2_grpc.SignalServiceServicer):
    async def ReportSignals(self, request: object, context: object) -> Any:
        return signal_pb2.ReportSignalsResponse()


@asynccontextmanager
async def neighbours(heard: Heard) -> AsyncIterator[str]:
    """Serve control, audit and gate; give the address of their one internal listener."""
    served = (
        (control_pb2, "ControlService", Control(heard), control_pb2_grpc.add_ControlServiceServicer_to_server),
        (event_pb2, "EventService", Audit(heard), event_pb2_grpc.add_EventServiceServicer_to_server),
        (gate_pb2, "GateService", Gate(), gate_pb2_grpc.add_GateServiceServicer_to_server),
        (signal_pb2, "SignalService", Signals(), signal_pb2_grpc.add_SignalServiceServicer_to_server),
    )
    registrations: Sequence[Registration] = [
        Registration(descriptor=module.DESCRIPTOR.services_by_name[name], servicer=servicer, add=add)
        for module, name, servicer, add in served
    ]
    async with running(registrations, service="control", settings=settings_of("control", ServiceSettings)) as server:
        yield f"localhost:{server.ports.internal}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """One of our programs as a process of its own, started from environment alone."""

    def __init__(self, module: str, environment: dict[str, str], *, health: str, log: Path) -> None:
        self._module = module
        self._environment = environment
        self._health = health
        self.log = log
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHATLEAD_")}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, env=inherited | self._environment, stdout=log, stderr=log
            )
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            while True:
                if self.process.returncode is not None:
                    raise AssertionError(self.log.read_text())
                try:
                    async with http.get(self._health) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; return the exit code."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(30):
            return await self.process.wait()


def executor_program(url: str, beside: str, log: Path, **values: str) -> Program:
    """An executor; `values` are further settings."""
    folder = identities()
    http = values.get("WHATLEAD_HTTP_LISTEN", f"127.0.0.1:{free_port()}")
    environment = {
        "WHATLEAD_DATABASE_URL": url,
        "WHATLEAD_PUBLIC_LISTEN": "127.0.0.1:0",
        "WHATLEAD_INTERNAL_LISTEN": "127.0.0.1:0",
        "WHATLEAD_HTTP_LISTEN": http,
        "WHATLEAD_TLS_CERT_FILE": str(folder / "executor.pem"),
        "WHATLEAD_TLS_KEY_FILE": str(folder / "executor.key"),
        "WHATLEAD_TLS_CA_FILE": str(folder / "ca.pem"),
        "WHATLEAD_JWKS": str(folder / "jwks.json"),
        **{f"WHATLEAD_{name}_TARGET": beside for name in ("GATE", "CONTROL", "AUDIT", "EXECUTOR")},
        **values,
    }
    return Program("executor", environment, health=f"http://{http}/healthz", log=log)
