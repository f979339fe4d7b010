"""Composition root of the gate: settings → database and channels → parts → serve."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

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


def connect(url: str) -> Database:
    """Open the gate's database. Each connection plans a statement once, by index: for as many rows as there ever are.

    For a lone message PostgreSQL would plan each statement anew, as its plan for any values looks dearer and never is;
    and a plan that was made while a table was empty goes through all of it until the table is analyzed again.
    """
    return Database.connect(url, application="gate", plan_cache_mode="force_generic_plan", enable_seqscan="off")


@asynccontextmanager
async def compose(settings: GateSettings) -> AsyncIterator[Process]:
    """Open what the gate needs, and close it at the end."""
    async with AsyncExitStack() as stack:
        database = connect(settings.database_url.get_secret_value())
        stack.push_async_callback(database.close)
        await check_current(database, "gate")
        executor = await stack.enter_async_context(internal_channel(settings.executor_target, settings))
        audit = await stack.enter_async_context(internal_channel(settings.audit_target, settings))
        controls = [
            await stack.enter_async_context(internal_channel(target, settings, retries=False))
            for target in settings.control_targets
        ]
        neighbours = Neighbours(
            executor=ExecutorServiceStub(executor),
            control=[ControlServiceStub(channel) for channel in controls],
            audit=EventServiceStub(audit),
        )
        yield assemble(settings, database, neighbours, SystemClock())


def main(argv: Sequence[str] = ()) -> int:
    """Run the gate until it is asked to stop; everything it needs is in the environment."""
    if argv:
        sys.stderr.write("gate takes no arguments; its settings are WHATLEAD_… variables\n")
        return 2
    return launch("gate", GateSettings, compose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
