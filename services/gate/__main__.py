"""Composition root of the gate: settings → database and channels → parts → serve."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from chassis.clients import internal_channel
from chassis.database import Database
from chassis.migrations import check_current
from chassis.serving import Process, launch
from gate.composition import Neighbours, assemble
from gate.settings import GateSettings
from kernel.clock import SystemClock
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub
from whatlead.control.v1.control_pb2_grpc import ControlServiceStub
from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceStub


@asynccontextmanager
async def compose(settings: GateSettings) -> AsyncIterator[Process]:
    """Open what the gate needs, and close it at the end."""
    database = Database.connect(settings.database_url.get_secret_value(), application="gate")
    try:
        await check_current(database, "gate")
        async with (
            internal_channel(settings.executor_target, settings) as executor,
            internal_channel(settings.control_targets[0], settings) as control,
            internal_channel(settings.audit_target, settings) as audit,
        ):
            neighbours = Neighbours(
                executor=ExecutorServiceStub(executor),
                control=ControlServiceStub(control),
                audit=EventServiceStub(audit),
            )
            yield assemble(settings, database, neighbours, SystemClock())
    finally:
        await database.close()


def main(argv: Sequence[str] = ()) -> int:
    """Run the gate until it is asked to stop; everything it needs is in the environment."""
    if argv:
        sys.stderr.write("gate takes no arguments; its settings are WHATLEAD_… variables\n")
        return 2
    return launch("gate", GateSettings, compose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
