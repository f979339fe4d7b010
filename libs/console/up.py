"""`whatlead up`: keep a whole system running, ready to be called. Knows no campaign."""

import asyncio
import signal
from pathlib import Path

from console.connection import clients, token_for
from console.ports import Ports, demand_free
from console.provision import provision
from console.system import System, running_system

_HINTS = """\
WhatLead is up; data and logs are in {folder}. Ctrl-C stops it.

  whatlead submit leads.csv        whatlead controls        whatlead explain lead-00042        whatlead metrics

With grpcurl (https://github.com/fullstorydev/grpcurl):

{lines}
Each call's own line stands with it in protos/. Prometheus: http://127.0.0.1:{metrics}/metrics (gate).
"""


def grpcurl_line(connection_ca: str, token: str, address: str, method: str, body: str) -> str:
    """Return a line to paste into a shell."""
    return f"grpcurl -cacert '{connection_ca}' -H 'authorization: Bearer {token}' -d '{body}' {address} {method}"


def _hints(system: System, token: str) -> str:
    calls = (
        (system.connection.gate, "whatlead.gate.v1.GateService/ListIntents", '{"page_size": 5}'),
        (
            system.connection.control,
            "whatlead.control.v1.ControlService/Pause",
            '{"request_id": "stop-1", "scope": "SCOPE_ORGANIZATION", "reason": "a drill"}',
        ),
        (
            system.connection.audit,
            "whatlead.audit.v1.MetricsService/GetOrganizationMetrics",
            '{"window_minutes": 60}',
        ),
    )
    lines = "\n\n".join(
        grpcurl_line(system.connection.ca_file, token, address, method, body) for address, method, body in calls
    )
    return _HINTS.format(folder=system.data_dir, lines=lines + "\n", metrics=system.ports.http("gate"))


async def up(data_dir: Path, *, port_base: int, executors: int, organization: str) -> None:
    """Run until SIGINT or SIGTERM. Raises PortsTaken before, ProcessEnded when a process ends by itself."""
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    ports = demand_free(Ports(base=port_base), executors)
    print("starting PostgreSQL, the simulator and the services …", flush=True)
    async with running_system(data_dir, ports, executors=executors) as system:
        token = token_for(data_dir, organization)
        async with clients(system.connection, token) as stubs:
            await provision(stubs)
        print(_hints(system, token), flush=True)
        watch = asyncio.create_task(system.ended(), name="processes")
        stop = asyncio.create_task(stopped.wait(), name="stop")
        done, _ = await asyncio.wait({watch, stop}, return_when=asyncio.FIRST_COMPLETED)
        print("stopping …", flush=True)
        for task in {watch, stop} - done:
            task.cancel()
        if watch in done:
            await watch
