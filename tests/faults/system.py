"""A running system, behind proxies if something is to go wrong between processes. Knows no fault and no pause."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.proxy import Proxy

from console.ports import find_free
from console.processes import ChildProcess
from console.system import System, running_system

CONTROLS = ("control", "control-2")
_ROOT = Path(__file__).parents[2]


@dataclass(slots=True, kw_only=True)
class Testbed:
    """The system, and a proxy for every way from an executor to a control and from either to PostgreSQL.

    `started` is what each process last got in addition to its environment.
    """

    folder: Path
    executors: tuple[str, ...]
    links: dict[tuple[str, str], Proxy]
    databases: dict[str, Proxy]
    system: System = field(init=False)

    @property
    def proxies(self) -> list[Proxy]:
        return [*self.links.values(), *self.databases.values()]

    def log_of(self, name: str) -> Path:
        """Return where a process notes what it saw: hooks, or first bytes."""
        return self.folder / f"{name}.seen"

    async def restart(self, name: str, **environment: str) -> None:
        """Stop a process and start it anew with `environment` in addition to its own."""
        process = self.system.processes[name]
        await process.stop()
        own = {key: value for key, value in process.environment.items() if not key.startswith("FAULTS_")}
        process.environment = {**own, "FAULTS_LOG": str(self.log_of(name)), **environment}
        await self.system.restart(name)

    def adapt(self, process: ChildProcess) -> ChildProcess:
        """Return the process as it is started here: noted, and behind proxies."""
        changes: dict[str, str] = {"FAULTS_LOG": str(self.log_of(process.name)), "PYTHONPATH": _python_path()}
        module = process.module
        if process.name in self.executors:
            module = "tests.faults.executor"
            if self.links:
                changes["WHATLEAD_CONTROL_TARGET"] = ",".join(
                    f"localhost:{self.links[process.name, control].port}" for control in CONTROLS
                )
        elif process.name in CONTROLS:
            module = "tests.faults.control"
        elif process.name == "simulator":
            module = "tests.faults.stub"
        database = self.databases.get(process.name)
        if database is not None:
            url = process.environment["WHATLEAD_DATABASE_URL"]
            port = urlsplit(url).port
            assert port is not None
            database.target = port
            changes["WHATLEAD_DATABASE_URL"] = url.replace(f":{port}/", f":{database.port}/")
        return replace(process, module=module, environment={**process.environment, **changes})


@asynccontextmanager
async def running(
    folder: Path, *, executors: int = 3, proxied: bool = True, extra: Mapping[str, str] | None = None
) -> AsyncIterator[Testbed]:
    """Start everything in `folder`, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = find_free(executors, controls=len(CONTROLS), lowest=20_000 + 3_000 * worker)
    names = ("executor", *(f"executor-{number}" for number in range(2, executors + 1)))
    async with AsyncExitStack() as stack:
        links = {
            (executor, control): await stack.enter_async_context(
                Proxy(f"{executor} to {control}", ports.internal("control", number))
            )
            for executor in names * proxied
            for number, control in enumerate(CONTROLS, 1)
        }
        databases = {
            name: await stack.enter_async_context(Proxy(f"{name} to PostgreSQL"))
            for name in (*names, *CONTROLS) * proxied
        }
        testbed = Testbed(folder=folder, executors=names, links=links, databases=databases)
        testbed.system = await stack.enter_async_context(
            running_system(
                folder / "data",
                ports,
                executors=executors,
                controls=len(CONTROLS),
                extra={"WHATLEAD_LOG_LEVEL": "warning", **(extra or {})},
                adapt=testbed.adapt,
            )
        )
        yield testbed
        for proxy in testbed.proxies:
            proxy.cut()


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
