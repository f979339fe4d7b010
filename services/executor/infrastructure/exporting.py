"""Read all that is kept about jobs, for the people they are about, as messages of the contract. Decides nothing."""

from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

from chassis.outbox import Outbox
from executor.domain.job import Attempt, Job, JobKey, Media, Template, Text
from executor.infrastructure.content import decode
from executor.infrastructure.events import stamp, stamp_if
from executor.infrastructure.ledger import Ledger, named, queries
from whatlead.gate.v1 import intent_pb2, subject_pb2


class PostgresExport:
    """Reads one database."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def jobs(self, organization_id: str, intent_ids: Sequence[UUID]) -> list[subject_pb2.ExportedJob]:
        """Return those of the jobs that are here."""
        keys = [JobKey(organization_id, intent_id) for intent_id in intent_ids]
        async with self._outbox.transaction() as tx:
            rows = await tx.fetch(queries.export_jobs, **named(keys))
            found = await Ledger(tx).with_attempts(rows)
        return [
            _job(job, attempts, row.recipient, row.content) for row, (job, attempts) in zip(rows, found, strict=True)
        ]


def _job(
    job: Job, attempts: Sequence[Attempt], recipient: str | None, content: bytes | None
) -> subject_pb2.ExportedJob:
    return subject_pb2.ExportedJob(
        intent_id=str(job.intent_id),
        state=job.state,
        reason=job.reason,
        content=_content(recipient, content) if recipient is not None and content is not None else None,
        attempts=[
            subject_pb2.ExportedAttempt(
                number=attempt.number,
                taken_at=stamp(attempt.taken_at),
                began_at=stamp_if(attempt.began_at),
                ended_at=stamp_if(attempt.ended_at),
                outcome=attempt.outcome,
                reason=attempt.reason,
                provider_code=attempt.provider_code,
                provider_message_id=attempt.provider_message_id,
                delivery=attempt.delivery or "",
            )
            for attempt in attempts
        ],
        create_time=stamp(job.created_at),
    )


def _content(recipient: str, stored: bytes) -> subject_pb2.MessageContent:
    message = subject_pb2.MessageContent(recipient=recipient)
    match decode(stored):
        case Template(name=name, language=language, parameters=parameters):
            message.template.CopyFrom(intent_pb2.Template(name=name, language=language, parameters=parameters))
        case Text(body=body):
            message.text.body = body
        case Media() as media:
            kind = intent_pb2.MediaKind.Value(f"MEDIA_KIND_{media.kind.upper()}")
            message.media.CopyFrom(
                intent_pb2.Media(kind=kind, link=media.link, caption=media.caption, filename=media.filename)
            )
        case other:
            assert_never(other)
    return message
