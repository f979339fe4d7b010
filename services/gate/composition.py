"""How the gate's parts are tied together, given what they stand on. Opens and reads nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.outbox_api import registration
from chassis.retention import let_go
from chassis.serving import Process, Registration
from chassis.validation import Rules
from gate.application.admission import refuse_beyond
from gate.application.cancel import cancel_intents
from gate.application.cooldowns import end_cooldowns_until
from gate.application.erasure import erase_subject, tell_export
from gate.application.evaluate import evaluate
from gate.application.instances import create_instance, end_cooldown, update_instance
from gate.application.messages import Submission
from gate.application.paused_scopes import PausedScopes
from gate.application.pending_cancels import settle_cancels, settle_until
from gate.application.pending_erasures import settle_erasures
from gate.application.policies import update_policy
from gate.application.release import release_due
from gate.application.release_loop import ReleaseLoop
from gate.application.returns import take_back
from gate.application.signals import take_signals
from gate.application.submit import submit
from gate.application.suppressions import add_suppressions, remove_suppressions
from gate.application.unpark import Unpark
from gate.grpc_api import GateApi, InstanceApi, PolicyApi, SignalApi, SubjectApi
from gate.grpc_api.intake import Intake
from gate.infrastructure.backlog import Backlog
from gate.infrastructure.control import ControlClient
from gate.infrastructure.control_watch import ControlWatch
from gate.infrastructure.counting import count_decisions
from gate.infrastructure.executor import ExecutorClient
from gate.infrastructure.exporting import SubjectReads
from gate.infrastructure.handover import AUDIT, Handover
from gate.infrastructure.postgres import PostgresStore
from gate.infrastructure.reading import ConfigurationReads, IntentReads
from gate.infrastructure.receivers import audit_receiver, control_receiver, executor_receiver
from gate.infrastructure.retention import Retention
from gate.infrastructure.sealing import Vault
from gate.infrastructure.subjects import PostgresErasures
from gate.infrastructure.waiting import PostgresWaiting
from gate.settings import GateSettings
from kernel.clock import Clock
from kernel.errors import Failure
from kernel.group_commit import GroupCommit
from whatlead.audit.v1 import event_pb2_grpc
from whatlead.control.v1 import control_pb2_grpc
from whatlead.executor.v1 import executor_pb2_grpc
from whatlead.gate.v1 import (
    gate_pb2,
    gate_pb2_grpc,
    instance_pb2,
    instance_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    signal_pb2,
    signal_pb2_grpc,
    subject_pb2,
    subject_pb2_grpc,
)

# A bulk call is one batch by itself; single submits that come while it is written make the next.
_MOST_INTENTS = 500
_MOST_QUEUED = 20_000
_log = structlog.get_logger("gate.release")


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The other services, as this process reaches them."""

    executor: executor_pb2_grpc.ExecutorServiceAsyncStub
    control: Sequence[control_pb2_grpc.ControlServiceAsyncStub]
    audit: event_pb2_grpc.EventServiceAsyncStub


def assemble(settings: GateSettings, database: Database, neighbours: Neighbours, clock: Clock) -> Process:
    """Tie the gate's parts together."""
    vault = Vault(bytes.fromhex(settings.recipient_key.get_secret_value()))
    handover = Handover(vault=vault)
    outbox = Outbox(
        database,
        [
            executor_receiver(neighbours.executor),
            audit_receiver(neighbours.audit),
            control_receiver(neighbours.control),
        ],
    )
    store = PostgresStore(database=database, outbox=outbox, handover=handover, clock=clock)
    waiting = PostgresWaiting(database=database)
    control = ControlClient(neighbours.control)
    executor = ExecutorClient(neighbours.executor)
    paused = PausedScopes()
    release = ReleaseLoop(
        release=partial(
            release_due,
            control=control,
            store=store,
            waiting=waiting,
            paused=paused,
            clock=clock,
            count=count_decisions,
        ),
        unpark=Unpark(control=control, store=store, parked=waiting, clock=clock),
        waiting=waiting,
        clock=clock,
        report=_report,
    )
    wake = release.wake
    settle = partial(settle_cancels, pendings=store, works=store, cancel_jobs=executor, clock=clock)
    group = GroupCommit(
        write=partial(submit, control=control, store=store, clock=clock, wake=wake, count=count_decisions),
        size=_size,
        most=_MOST_INTENTS,
        queue_limit=_MOST_QUEUED,
        owner=lambda submission: submission.organization_id,
    )
    reads = ConfigurationReads(database=database)
    gate = GateApi(
        intake=Intake(vault=vault, rules=Rules(), clock=clock),
        admit=partial(refuse_beyond, settings.max_audit_backlog, waiting=partial(outbox.waiting, AUDIT)),
        submit=group.submit,
        evaluate=partial(evaluate, control=control, store=store, clock=clock),
        cancel=partial(cancel_intents, works=store, cancel_jobs=executor, clock=clock),
        take_back=partial(take_back, control=control, store=store, clock=clock, wake=wake, count=count_decisions),
        reads=IntentReads(database=database),
        paused=paused,
    )
    instances = InstanceApi(
        create=partial(create_instance, works=store, wake=wake),
        update=partial(update_instance, works=store, clock=clock, wake=wake),
        end_cooldown=partial(end_cooldown, works=store, clock=clock, wake=wake),
        reads=reads,
        vault=vault,
        clock=clock,
    )
    policies = PolicyApi(
        update=partial(update_policy, works=store, clock=clock, wake=wake),
        suppress=partial(add_suppressions, works=store, settle=settle, clock=clock),
        allow=partial(remove_suppressions, works=store, clock=clock),
        reads=reads,
        vault=vault,
    )
    signals = SignalApi(take=partial(take_signals, works=store, settle=settle, clock=clock, wake=wake), clock=clock)
    erasures = PostgresErasures(database)
    forget = partial(settle_erasures, pendings=erasures, works=store, erase_jobs=executor.erase, clock=clock)
    subjects = SubjectApi(
        erase=partial(erase_subject, works=store, clock=clock),
        settle=forget,
        pending=erasures.count,
        tell_export=partial(tell_export, works=store, clock=clock),
        export_jobs=executor.export,
        reads=SubjectReads(database=database),
        vault=vault,
    )
    return Process(
        name="gate",
        settings=settings,
        registrations=(
            Registration(
                descriptor=gate_pb2.DESCRIPTOR.services_by_name["GateService"],
                servicer=gate,
                add=gate_pb2_grpc.add_GateServiceServicer_to_server,
            ),
            Registration(
                descriptor=instance_pb2.DESCRIPTOR.services_by_name["InstanceService"],
                servicer=instances,
                add=instance_pb2_grpc.add_InstanceServiceServicer_to_server,
            ),
            Registration(
                descriptor=policy_pb2.DESCRIPTOR.services_by_name["PolicyService"],
                servicer=policies,
                add=policy_pb2_grpc.add_PolicyServiceServicer_to_server,
            ),
            Registration(
                descriptor=signal_pb2.DESCRIPTOR.services_by_name["SignalService"],
                servicer=signals,
                add=signal_pb2_grpc.add_SignalServiceServicer_to_server,
            ),
            Registration(
                descriptor=subject_pb2.DESCRIPTOR.services_by_name["SubjectService"],
                servicer=subjects,
                add=subject_pb2_grpc.add_SubjectServiceServicer_to_server,
            ),
            registration(outbox),
        ),
        loops={
            "outbox": outbox.run,
            "release": release.run,
            "control_watch": ControlWatch(neighbours.control, paused=paused, ended=partial(wake, None)).run,
            "cooldowns": partial(end_cooldowns_until, cooling=waiting, works=store, wake=wake),
            "cancels": partial(settle_until, settle=settle),
            "erasures": partial(settle_until, settle=forget),
            "retention": partial(
                let_go,
                steps=Retention(database, outbox).steps,
                keep=timedelta(days=settings.retention_days),
                clock=clock,
            ),
            "backlog": Backlog(database=database, outbox=outbox, handover=handover, clock=clock).run,
        },
    )


def _size(submission: Submission) -> int:
    return len(submission.intents)


def _report(failure: Failure) -> None:
    _log.warning("release.failed", reason=failure.reason)
