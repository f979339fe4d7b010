"""Composition root of control: settings → databases → fences, expiry, canaries, checks, watch → api → serve."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from chassis.clients import internal_channel
from chassis.database import Database, load_queries
from chassis.migrations import check_current
from chassis.outbox import Outbox
from chassis.outbox_api import registration
from chassis.serving import Process, Registration, launch
from control.application.canaries import CanaryLoop
from control.application.checking import Checks
from control.application.expiry import expire_pauses
from control.application.fencing import FenceLoop
from control.application.heartbeat import Heart
from control.application.pausing import pause
from control.application.previewing import preview
from control.application.resuming import resume
from control.application.sessions import Sessions
from control.application.waiting import Hints
from control.application.watching import Watch
from control.domain.fence import FenceRule
from control.grpc_api import ControlApi
from control.infrastructure.audit import audit_receiver
from control.infrastructure.changes import PostgresChanges
from control.infrastructure.neighbours import Neighbours
from control.infrastructure.notifications import ACKNOWLEDGEMENTS, CHANGES, listen
from control.infrastructure.postgres import PostgresHeartbeats, PostgresPauses, PostgresSnapshots
from control.infrastructure.sessions import PostgresSessions
from control.settings import ControlSettings
from kernel.clock import Clock, SystemClock
from kernel.errors import Failure
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2_grpc
from whatlead.control.v1 import control_pb2, control_pb2_grpc
from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceStub
from whatlead.gate.v1.gate_pb2_grpc import GateServiceStub

# A replica that stops in the middle of a change holds its organization's version for this long and no longer.
_INTERLOCKS = {"idle_in_transaction_session_timeout": "1s", "lock_timeout": "2s"}
# Checks make one statement, whose plan does not depend on what is asked: planning took 7 times as long as running it.
_ONE_PLAN = {"plan_cache_mode": "force_generic_plan"}
_log = structlog.get_logger("control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """Pools that do not wait for each other: a pause must get through when all others are used up."""

    commands: Database
    loops: Database
    outbox: Database
    checks: Database
    heartbeats: Database
    reads: Database

    @classmethod
    def connect(cls, url: str) -> "Databases":
        """Make the pools; connections are opened when first needed."""
        return cls(
            commands=Database.connect(url, pool_size=4, application="control commands", **_INTERLOCKS),
            loops=Database.connect(url, pool_size=6, application="control loops", **_INTERLOCKS),
            outbox=Database.connect(url, pool_size=2, application="control outbox"),
            checks=Database.connect(url, pool_size=3, application="control checks", **_ONE_PLAN),
            heartbeats=Database.connect(url, pool_size=2, application="control heartbeat"),
            reads=Database.connect(url, pool_size=4, application="control reads"),
        )

    async def close(self) -> None:
        """Close them all."""
        for database in (self.commands, self.loops, self.outbox, self.checks, self.heartbeats, self.reads):
            await database.close()


def assemble(
    settings: ControlSettings, databases: Databases, outbox: Outbox, neighbours: Neighbours, clock: Clock
) -> Process:
    """Tie control's parts together."""
    queries = load_queries("control")
    replica_id = uuid7()
    hints = Hints()
    commands = PostgresChanges(databases.commands, outbox, queries)
    changes = PostgresChanges(databases.loops, outbox, queries)
    pauses = PostgresPauses(databases.loops, queries)
    fences = FenceLoop(
        changes=changes,
        pauses=pauses,
        rule=FenceRule(),
        clock=clock,
        committed=hints.give,
        failed=partial(_report, "fencing"),
    )
    expiry = partial(
        expire_pauses,
        changes=changes,
        deadlines=pauses,
        clock=clock,
        hint=hints.listener(),
        committed=hints.give,
        failed=partial(_report, "expiry"),
    )
    canaries = CanaryLoop(
        changes=changes,
        canaries=pauses,
        counts=neighbours,
        fences=fences,
        new_id=uuid7,
        clock=clock,
        hint=hints.listener(),
        committed=hints.give,
        failed=partial(_report, "canaries"),
    )
    heart = Heart(
        heartbeats=PostgresHeartbeats(databases.heartbeats, queries, replica_id),
        clock=clock,
        failed=partial(_report, "heartbeat"),
    )
    sessions = Sessions(
        store=PostgresSessions(databases.loops, queries),
        rule=FenceRule(),
        clock=clock,
        changed=fences.acknowledged,
        failed=partial(_report, "sessions"),
    )
    checks = Checks(
        snapshots=PostgresSnapshots(databases.checks, queries, replica_id),
        heart=heart,
        ttl=settings.permit_ttl,
        failed=partial(_report, "checks"),
    )
    watch = Watch(feed=pauses, clock=clock, hint=hints.listener(), failed=partial(_report, "watch"))
    api = ControlApi(
        pause=partial(pause, changes=commands, fences=fences, new_id=uuid7, committed=hints.give),
        preview=partial(preview, clock=clock, work=neighbours),
        resume=partial(
            resume,
            changes=commands,
            pauses=PostgresPauses(databases.commands, queries),
            committed=hints.give,
        ),
        pauses=PostgresPauses(databases.reads, queries),
        snapshots=PostgresSnapshots(databases.reads, queries, replica_id),
        checks=checks,
        sessions=sessions,
        watch=watch,
    )
    return Process(
        name="control",
        settings=settings,
        registrations=[
            Registration(
                descriptor=control_pb2.DESCRIPTOR.services_by_name["ControlService"],
                servicer=api,
                add=control_pb2_grpc.add_ControlServiceServicer_to_server,
                priority=("Pause", "Resume"),
            ),
            registration(outbox),
        ],
        loops={
            "heartbeat": heart.run,
            "fences": fences.run,
            "expiry": expiry,
            "canaries": canaries.run,
            "sessions": sessions.run,
            "watch": watch.run,
            "notifications": partial(
                listen, database=databases.loops, heard={CHANGES: hints.give, ACKNOWLEDGEMENTS: fences.acknowledged}
            ),
            "outbox": outbox.run,
        },
    )


def _report(part: str, error: Exception) -> None:
    reason = error.reason if isinstance(error, Failure) else type(error).__name__
    _log.warning("control.failed", part=part, reason=reason, exc_info=None if isinstance(error, Failure) else error)


@asynccontextmanager
async def compose(settings: ControlSettings) -> AsyncIterator[Process]:
    """Open what control needs, and close it at the end."""
    async with AsyncExitStack() as stack:
        databases = Databases.connect(settings.database_url.get_secret_value())
        stack.push_async_callback(databases.close)
        await check_current(databases.reads, "control")
        queries = load_queries("control")
        await PostgresHeartbeats(databases.heartbeats, queries, uuid7()).forget_old()
        audit, gate, executor = [
            await stack.enter_async_context(internal_channel(target, settings))
            for target in (settings.audit_target, settings.gate_target, settings.executor_target)
        ]
        outbox = Outbox(databases.outbox, [audit_receiver(event_pb2_grpc.EventServiceStub(audit))])
        neighbours = Neighbours(gate=GateServiceStub(gate), executor=ExecutorServiceStub(executor))
        yield assemble(settings, databases, outbox, neighbours, SystemClock())


def main(argv: Sequence[str] = ()) -> int:
    """Run control until it is asked to stop; everything it needs is in the environment."""
    if argv:
        sys.stderr.write("control takes no arguments; its settings are WHATLEAD_… variables\n")
        return 2
    return launch("control", ControlSettings, compose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
