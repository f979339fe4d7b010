"""Composition root of audit: settings → database → log, lives, sums → use cases → api → serve."""

import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from audit.application.busiest import Busiest
from audit.application.explain import explain_intent, explain_pause
from audit.application.measure import measure_instance, measure_organization, measure_parts, measure_series
from audit.application.partitions import keep_partitions_ahead
from audit.application.record_events import keep_together, record_events
from audit.application.seal import keep_sealing, seal
from audit.application.watching import Announcements
from audit.domain.arrival import Arrival
from audit.evidence_api import EvidenceApi, alarm, count
from audit.grpc_api import EventApi, TimelineApi
from audit.infrastructure.checkpoint_file import CheckpointFile
from audit.infrastructure.notary import Notary, read_private_key, read_public_key
from audit.infrastructure.observation import StoredEvents
from audit.infrastructure.parsing import parse
from audit.infrastructure.postgres_evidence import PostgresEvidence, PostgresSealer
from audit.infrastructure.postgres_lives import PostgresLives, PostgresTallies
from audit.infrastructure.postgres_log import PostgresEventLog
from audit.infrastructure.postgres_reads import PostgresLists
from audit.infrastructure.postgres_sums import PostgresSums
from audit.infrastructure.retention import Retention
from audit.metrics_api import MetricsApi
from audit.settings import AuditSettings
from chassis.database import Database
from chassis.migrations import check_current
from chassis.retention import let_go
from chassis.serving import Process, Registration, launch
from chassis.telemetry import meter
from kernel.clock import Clock, SystemClock
from kernel.errors import Failure
from kernel.group_commit import GroupCommit
from whatlead.audit.v1 import (
    event_pb2,
    event_pb2_grpc,
    evidence_pb2,
    evidence_pb2_grpc,
    metrics_pb2,
    metrics_pb2_grpc,
    timeline_pb2,
    timeline_pb2_grpc,
)

_MOST_EVENTS = 2_000  # a commit, unless one call brings more
_MOST_WAITING = 100_000


def assemble(settings: AuditSettings, database: Database, clock: Clock) -> Process:
    """Tie audit's parts together."""
    log = PostgresEventLog(database)
    lives = PostgresLives(database)
    sums = PostgresSums(database)
    sealer = PostgresSealer(database)
    former = settings.evidence_former_key_file
    notary = Notary(read_private_key(settings.evidence_key_file), [read_public_key(former)] if former else [])
    announcements = Announcements()
    busiest = Busiest()
    stored = StoredEvents(meter=meter, busiest=busiest)

    def announce(arrivals: Sequence[Arrival]) -> None:
        announcements.announce(arrivals)
        stored.stored(arrivals)

    group = GroupCommit(
        write=partial(keep_together, log=log, announce=announce),
        size=lambda call: len(call.arrivals),
        most=_MOST_EVENTS,
        queue_limit=_MOST_WAITING,
    )
    events = EventApi(
        record=partial(record_events, parse=parse, keep=group.submit, clock=clock),
        page=PostgresLists(database).newest,
        tally=PostgresTallies(database).of,
        announcements=announcements,
    )
    timelines = TimelineApi(
        explain=partial(explain_intent, lives=lives, clock=clock),
        explain_pause=partial(explain_pause, pauses=lives),
    )
    of_organization = partial(measure_organization, sums=sums, clock=clock)
    metrics = MetricsApi(
        measure_instance=partial(measure_instance, sums=sums, clock=clock),
        measure_organization=of_organization,
        measure_series=partial(measure_series, sums=sums, clock=clock),
        measure_parts=partial(measure_parts, sums=sums, clock=clock),
    )
    return Process(
        name="audit",
        settings=settings,
        registrations=(
            Registration(
                descriptor=event_pb2.DESCRIPTOR.services_by_name["EventService"],
                servicer=events,
                add=event_pb2_grpc.add_EventServiceServicer_to_server,
            ),
            Registration(
                descriptor=timeline_pb2.DESCRIPTOR.services_by_name["TimelineService"],
                servicer=timelines,
                add=timeline_pb2_grpc.add_TimelineServiceServicer_to_server,
            ),
            Registration(
                descriptor=metrics_pb2.DESCRIPTOR.services_by_name["MetricsService"],
                servicer=metrics,
                add=metrics_pb2_grpc.add_MetricsServiceServicer_to_server,
            ),
            Registration(
                descriptor=evidence_pb2.DESCRIPTOR.services_by_name["EvidenceService"],
                servicer=EvidenceApi(PostgresEvidence(database)),
                add=evidence_pb2_grpc.add_EvidenceServiceServicer_to_server,
            ),
        ),
        loops={
            "partitions": partial(
                keep_partitions_ahead,
                ensure=partial(log.ensure_partitions, keep=_keep(settings)),
                weeks=settings.audit_partition_weeks,
            ),
            "retention": partial(let_go, steps=Retention(database).steps, keep=_keep(settings), clock=clock),
            "busiest": partial(busiest.keep_fresh, measure=of_organization),
            "sealer": partial(
                keep_sealing,
                seal=partial(
                    seal,
                    sealing=sealer.sealing,
                    notary=notary,
                    journal=CheckpointFile(settings.evidence_checkpoint_file),
                ),
                summarize=sealer.summarize,
                count=count,
                alarm=alarm,
            ),
        },
    )


def _keep(settings: AuditSettings) -> timedelta:
    return timedelta(days=settings.audit_retention_days)


@asynccontextmanager
async def compose(settings: AuditSettings) -> AsyncIterator[Process]:
    """Open what audit needs, and close it at the end."""
    database = Database.connect(settings.database_url.get_secret_value(), application="audit")
    try:
        await check_current(database, "audit")
        with contextlib.suppress(Failure):  # before the first event of a week that has none; the loop tries again
            await PostgresEventLog(database).ensure_partitions(
                weeks=settings.audit_partition_weeks, keep=_keep(settings)
            )
        yield assemble(settings, database, SystemClock())
    finally:
        await database.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run audit until it is asked to stop; everything it needs is in the environment."""
    if argv:
        sys.stderr.write("audit takes no arguments; its settings are WHATLEAD_… variables\n")
        return 2
    return launch("audit", AuditSettings, compose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
