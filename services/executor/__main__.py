"""Composition root of the executor: settings → database, channels, providers → loops → api → serve."""

import asyncio
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog
from aiohttp import web

from chassis.clients import internal_channel
from chassis.database import Database
from chassis.migrations import check_current
from chassis.outbox import Outbox
from chassis.outbox_api import registration
from chassis.retention import let_go
from chassis.serving import Process, Registration, launch
from chassis.telemetry import meter, tracer
from executor.application.accept import accept_jobs
from executor.application.backlog import Backlog
from executor.application.deliveries import Deliveries
from executor.application.dispatch import Dispatch
from executor.application.forget import erase_jobs
from executor.application.operate import cancel_jobs, resolve_outcome, retry_jobs
from executor.application.outcomes import Outcomes
from executor.application.ports import Provider
from executor.application.rounds import Limits
from executor.application.sending import Sender
from executor.application.session import Session
from executor.application.signals import Wake
from executor.application.upkeep import keep_up
from executor.application.watching import Hearing, watch_pauses
from executor.domain.pauses import KnownPauses
from executor.domain.revocations import Revocations
from executor.domain.settling import RetryPolicy
from executor.grpc_api import ExecutorApi
from executor.infrastructure.control_client import GrpcControl
from executor.infrastructure.counting import PostgresCounts
from executor.infrastructure.exporting import PostgresExport
from executor.infrastructure.observation import Observation
from executor.infrastructure.postgres import PostgresQueue
from executor.infrastructure.postgres_arrivals import PostgresArrivals
from executor.infrastructure.postgres_operations import PostgresJobs
from executor.infrastructure.providers.noop import Noop
from executor.infrastructure.providers.whatsapp_cloud import WhatsAppCloud
from executor.infrastructure.receivers import receivers
from executor.infrastructure.retention import Retention
from executor.infrastructure.webhook_http import WebhookReceiver
from executor.infrastructure.whatsapp_statuses import read_statuses
from executor.settings import ExecutorSettings
from kernel.clock import Clock, SystemClock
from kernel.ids import uuid7
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub
from whatlead.control.v1.control_pb2_grpc import ControlServiceStub
from whatlead.executor.v1 import executor_pb2, executor_pb2_grpc
from whatlead.gate.v1.gate_pb2_grpc import GateServiceStub
from whatlead.gate.v1.signal_pb2_grpc import SignalServiceStub

_POOL = 12

log = structlog.get_logger("executor")


def assemble(
    settings: ExecutorSettings,
    *,
    database: Database,
    outbox: Outbox,
    control: GrpcControl,
    providers: Mapping[str, Provider],
    clock: Clock,
) -> Process:
    """Tie the executor's parts together."""
    queue = PostgresQueue(database, outbox, provider_override=settings.provider_override)
    jobs = PostgresJobs(database, outbox)
    policy = RetryPolicy(attempts=settings.send_attempts)
    chance = random.random
    observation = Observation(meter=meter, tracer=tracer, tracing=settings.otlp_endpoint is not None)
    pauses, revocations = KnownPauses(), Revocations()
    outcomes = Outcomes(begin=queue.begin, capacity=settings.max_in_flight, stored=observation.stored)
    session = Session(
        control=control,
        executor=f"{socket.gethostname()[:100]}:{os.getpid()}",
        new_id=uuid7,
        registered=outcomes.room_made.ring,
    )
    dispatch = Dispatch(
        queue=queue,
        begin=queue.begin,
        control=control,
        sender=Sender(providers=providers, revocations=revocations, policy=policy, clock=clock, chance=chance),
        outcomes=outcomes,
        session=session,
        pauses=pauses,
        revocations=revocations,
        clock=clock,
        new_token=uuid7,
        limits=Limits(
            per_lane=settings.max_per_lane,
            guard=settings.permit_guard_seconds,
            lease_seconds=settings.provider_deadline_seconds + settings.lease_margin_seconds,
        ),
    )
    deliveries = Deliveries(
        begin=jobs.begin,
        parse=read_statuses,
        policy=policy,
        clock=clock,
        chance=chance,
        stored=observation.stored,
        dropped=observation.dropped,
    )
    hearing = Hearing(revocations=revocations, pauses=pauses, session=session, wake=dispatch.wake, clock=clock)
    upkeep_wake = Wake()

    async def keep_session(stop: asyncio.Event) -> None:
        await session.run(dispatch.ended)  # pauses are obeyed and acknowledged until the last send

    async def watch(stop: asyncio.Event) -> None:
        await watch_pauses(dispatch.ended, control=control, hearing=hearing, chance=chance)

    api = ExecutorApi(
        accept=partial(
            accept_jobs,
            arrivals=PostgresArrivals(database, outbox),
            dispatch=dispatch.wake,
            upkeep=upkeep_wake,
            clock=clock,
        ),
        cancel=partial(cancel_jobs, begin=jobs.begin, clock=clock),
        retry=partial(retry_jobs, begin=jobs.begin, clock=clock),
        resolve=partial(resolve_outcome, begin=jobs.begin, clock=clock),
        get=jobs.get,
        page=jobs.page,
        counts=PostgresCounts(database),
        pauses=pauses,
        erase=partial(erase_jobs, begin=jobs.begin, clock=clock),
        export=PostgresExport(outbox).jobs,
    )
    return Process(
        name="executor",
        settings=settings,
        registrations=(
            Registration(
                descriptor=executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"],
                servicer=api,
                add=executor_pb2_grpc.add_ExecutorServiceServicer_to_server,
            ),
            registration(outbox),
        ),
        loops={
            "dispatch": dispatch.run,
            "outcomes": outcomes.run,
            "deliveries": deliveries.run,
            "rescue": partial(
                keep_up,
                begin=queue.begin,
                policy=policy,
                clock=clock,
                chance=chance,
                measure=Backlog(queue.measure_backlog, clock).measure,
                wake=upkeep_wake,
            ),
            "session": keep_session,
            "watch": watch,
            "relay": outbox.run,
            "retention": partial(
                let_go,
                steps=Retention(database, outbox).steps,
                keep=timedelta(days=settings.retention_days),
                clock=clock,
            ),
        },
        http=_webhooks(settings, jobs, deliveries),
        on_stop=(partial(_flush, outbox),),
    )


@asynccontextmanager
async def compose(settings: ExecutorSettings) -> AsyncIterator[Process]:
    """Open what the executor needs, and close it at the end."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        database = Database.connect(settings.database_url.get_secret_value(), pool_size=_POOL, application="executor")
        stack.push_async_callback(database.close)
        await check_current(database, "executor")
        gate = await stack.enter_async_context(internal_channel(settings.gate_target, settings))
        audit = await stack.enter_async_context(internal_channel(settings.audit_target, settings))
        control = [
            await stack.enter_async_context(internal_channel(target, settings, retries=False))
            for target in settings.control_targets
        ]
        outbox = Outbox(
            database,
            receivers(
                record_events=EventServiceStub(audit).RecordEvents,
                return_intents=GateServiceStub(gate).ReturnIntents,
                report_signals=SignalServiceStub(gate).ReportSignals,
            ),
        )
        providers: dict[str, Provider] = {"noop": Noop()} if settings.provider_override == "noop" else {}
        if settings.whatsapp_access_token is not None:
            cloud = WhatsAppCloud(
                base_url=settings.whatsapp_base_url,
                api_version=settings.whatsapp_api_version,
                access_token=settings.whatsapp_access_token.get_secret_value(),
                deadline=settings.provider_deadline_seconds,
                connections=settings.max_in_flight,
                clock=clock,
            )
            stack.push_async_callback(cloud.close)
            if not await cloud.health():  # asking also loads and connects what the first send would wait for
                log.warning("executor.provider_unreachable", provider="whatsapp_cloud")
            providers["whatsapp_cloud"] = cloud
        yield assemble(
            settings,
            database=database,
            outbox=outbox,
            control=GrpcControl(
                [ControlServiceStub(channel) for channel in control], timeout=settings.check_timeout_seconds
            ),
            providers=providers,
            clock=clock,
        )


def _webhooks(settings: ExecutorSettings, jobs: PostgresJobs, deliveries: Deliveries) -> list[web.RouteDef]:
    """Return the webhooks' routes; without a secret there are none, for nothing could be believed."""
    secrets = (settings.whatsapp_app_secret, settings.whatsapp_former_app_secret)
    known = [secret.get_secret_value() for secret in secrets if secret is not None]
    if not known or settings.whatsapp_verify_token is None:
        return []
    receiver = WebhookReceiver(
        verify_token=settings.whatsapp_verify_token.get_secret_value(),
        secrets=known,
        keep=jobs.keep_webhooks,
        kept=deliveries.wake.ring,
    )
    return receiver.routes()


async def _flush(outbox: Outbox) -> None:
    await outbox.flush()


def main(argv: Sequence[str] = ()) -> int:
    """Run the executor until it is asked to stop; everything it needs is in the environment."""
    if argv:
        sys.stderr.write("executor takes no arguments; its settings are WHATLEAD_… variables\n")
        return 2
    return launch("executor", ExecutorSettings, compose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
