"""A whole system on this machine: PostgreSQL, the simulator and the services, each its own process.

Knows what each process is told by its environment, and nothing of what it does with it.
"""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import httpx

from chassis.migrations import migrate
from chassis.postgres_embedded import EmbeddedPostgres
from console import pki
from console.connection import Connection
from console.ports import SERVICES, Ports, replicas
from console.processes import ChildProcess, ProcessEnded

_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system and the handles to its processes."""

    data_dir: Path
    ports: Ports
    connection: Connection
    postgres: EmbeddedPostgres
    processes: dict[str, ChildProcess]

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.simulator}"

    async def restart(self, name: str) -> None:
        """Start a process anew that was stopped or killed, and wait until it is ready."""
        await self.processes[name].start()
        await _ready([self.processes[name]], self.ports)

    async def ended(self) -> None:
        """Wait until a process ends by itself, and raise ProcessEnded for it."""
        async with asyncio.TaskGroup() as group:
            for process in self.processes.values():
                group.create_task(process.ended())


@asynccontextmanager
async def running_system(
    data_dir: Path,
    ports: Ports,
    *,
    executors: int = 1,
    controls: int = 1,
    profile: str = "mild",
    seed: int = 1,
    extra: dict[str, str] | None = None,
    adapt: Callable[[ChildProcess], ChildProcess] = lambda process: process,
) -> AsyncIterator[System]:
    """Start everything in `data_dir` and stop it all at the end.

    `extra` is added to every process's environment; what `adapt` returns is started in place of what it is given.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir = data_dir.resolve()
    (data_dir / "logs").mkdir(exist_ok=True)
    pki.ensure(data_dir)
    passwords = _secrets(data_dir)
    connection = Connection(
        gate=f"localhost:{ports.public('gate')}",
        executor=f"localhost:{ports.public('executor')}",
        control=f"localhost:{ports.public('control')}",
        audit=f"localhost:{ports.public('audit')}",
        ca_file=str(data_dir / "ca.pem"),
    )
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(EmbeddedPostgres(data_dir / "postgres"))
        for service in SERVICES:
            await migrate(postgres.url(user="postgres", database="whatlead"), service, passwords[service])
        processes = {
            process.name: adapt(process)
            for process in _processes(
                data_dir, ports, postgres, passwords, replicas(executors, controls), profile, seed, extra or {}
            )
        }
        stack.push_async_callback(_stop, processes)
        for process in processes.values():
            await process.start()
        await _ready(processes.values(), ports)
        connection.save(data_dir)
        yield System(data_dir=data_dir, ports=ports, connection=connection, postgres=postgres, processes=processes)


def _secrets(data_dir: Path) -> dict[str, str]:
    """Return the folder's passwords and keys, made once."""
    path = data_dir / "secrets.json"
    if not path.exists():
        names = (*SERVICES, "app_secret", "access_token", "verify_token")
        made = {name: secrets.token_urlsafe(24) for name in names} | {"recipient_key": secrets.token_hex(32)}
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(made, file, indent=2)
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _processes(
    data_dir: Path,
    ports: Ports,
    postgres: EmbeddedPostgres,
    kept: dict[str, str],
    replicas: Iterable[tuple[str, int]],
    profile: str,
    seed: int,
    extra: dict[str, str],
) -> Iterable[ChildProcess]:
    simulator = f"http://127.0.0.1:{ports.simulator}"
    yield ChildProcess(
        name="simulator",
        module="simulator",
        log=data_dir / "logs" / "simulator.log",
        environment={
            "WHATLEAD_SIMULATOR_LISTEN": f"127.0.0.1:{ports.simulator}",
            "WHATLEAD_SIMULATOR_SEED": str(seed),
            "WHATLEAD_SIMULATOR_PROFILE": profile,
            "WHATLEAD_SIMULATOR_WEBHOOK_URL": f"http://127.0.0.1:{ports.http('executor')}/webhooks/whatsapp",
            "WHATLEAD_SIMULATOR_APP_SECRET": kept["app_secret"],
            "WHATLEAD_SIMULATOR_ACCESS_TOKEN": kept["access_token"],
            "WHATLEAD_SIMULATOR_VERIFY_TOKEN": kept["verify_token"],
            **extra,
        },
    )
    targets = {f"WHATLEAD_{service.upper()}_TARGET": f"localhost:{ports.internal(service)}" for service in SERVICES}
    own = {
        "gate": {"WHATLEAD_RECIPIENT_KEY": kept["recipient_key"]},
        "executor": {
            "WHATLEAD_WHATSAPP_BASE_URL": simulator,
            "WHATLEAD_WHATSAPP_ACCESS_TOKEN": kept["access_token"],
            "WHATLEAD_WHATSAPP_APP_SECRET": kept["app_secret"],
            "WHATLEAD_WHATSAPP_VERIFY_TOKEN": kept["verify_token"],
        },
        "audit": {
            "WHATLEAD_EVIDENCE_KEY_FILE": str(data_dir / "evidence.key"),
            "WHATLEAD_EVIDENCE_CHECKPOINT_FILE": str(data_dir / "checkpoints"),
        },
    }
    for service, replica in replicas:
        name = service if replica == 1 else f"{service}-{replica}"
        yield ChildProcess(
            name=name,
            module=service,
            log=data_dir / "logs" / f"{name}.log",
            environment={
                "WHATLEAD_DATABASE_URL": postgres.url(
                    user=f"whatlead_{service}", password=kept[service], database="whatlead"
                ),
                "WHATLEAD_PUBLIC_LISTEN": f"127.0.0.1:{ports.public(service, replica)}",
                "WHATLEAD_INTERNAL_LISTEN": f"127.0.0.1:{ports.internal(service, replica)}",
                "WHATLEAD_HTTP_LISTEN": f"127.0.0.1:{ports.http(service, replica)}",
                "WHATLEAD_TLS_CERT_FILE": str(data_dir / f"{service}.pem"),
                "WHATLEAD_TLS_KEY_FILE": str(data_dir / f"{service}.key"),
                "WHATLEAD_TLS_CA_FILE": str(data_dir / "ca.pem"),
                "WHATLEAD_JWKS": str(data_dir / "jwks.json"),
                **targets,
                **own.get(service, {}),
                **{name: value for name, value in os.environ.items() if name == "WHATLEAD_OTLP_ENDPOINT"},
                **extra,
            },
        )


async def _ready(processes: Iterable[ChildProcess], ports: Ports) -> None:
    """Wait until each process answers its health check. Raises ProcessEnded for one that does not."""
    async with httpx.AsyncClient(timeout=2) as http, asyncio.TaskGroup() as group:
        for process in processes:
            group.create_task(_one_ready(process, http))


async def _one_ready(process: ChildProcess, http: httpx.AsyncClient) -> None:
    listen = process.environment.get("WHATLEAD_HTTP_LISTEN") or process.environment["WHATLEAD_SIMULATOR_LISTEN"]
    path = "/healthz" if "WHATLEAD_HTTP_LISTEN" in process.environment else "/_simulator/healthz"
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                if not process.running:
                    await process.ended()
                try:
                    if (await http.get(f"http://{listen}{path}")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise ProcessEnded(f"{process.name} is not ready after {_READY_SECONDS:.0f} s; see {process.log}") from None


async def _stop(processes: dict[str, ChildProcess]) -> None:
    """Stop senders before those they report to, and the simulator last."""
    order = sorted(processes, key=_stops_late)
    for _, names in groupby(order, key=_stops_late):
        await asyncio.gather(*(processes[name].stop() for name in names))


def _stops_late(name: str) -> int:
    return 2 if name == "simulator" else int(name.partition("-")[0] in {"audit", "control"})
