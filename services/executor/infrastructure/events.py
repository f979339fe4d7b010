"""An intent's events on the wire, built in parts: what many have in common first, then what is one's own.

WhatsApp's ids of messages hold the recipient's number in Base64: events carry a fingerprint in their place.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import assert_never
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from executor.domain.change import Delivery, Hold, Note
from executor.domain.job import Attempt, Job
from executor.domain.words import EXECUTOR, FactType
from whatlead.audit.v1 import event_pb2

_TYPES = {type_: event_pb2.EventType.Value(f"EVENT_TYPE_{type_.value}") for type_ in FactType}
_INTENT = event_pb2.AggregateType.AGGREGATE_TYPE_INTENT


@lru_cache(maxsize=4_096)
def stamp(moment: datetime) -> Timestamp:
    """Return `moment` for the wire, to be copied into a message: whoever asks again is given the same one."""
    given = Timestamp()
    given.seconds = int(moment.timestamp())
    given.nanos = moment.microsecond * 1000
    return given


def stamp_if(moment: datetime | None) -> Timestamp | None:
    """Return `moment` for the wire, if there is one."""
    return None if moment is None else stamp(moment)


def strings(identifiers: Iterable[UUID]) -> list[str]:
    """Return identifiers for the wire."""
    return [str(identifier) for identifier in identifiers]


def fingerprint(provider_message_id: str) -> str:
    """Return what an event knows a provider's message by: it can be compared, and not be read."""
    return hashlib.sha256(provider_message_id.encode()).hexdigest()[:32] if provider_message_id else ""


def event_of(job: Job, type_: FactType, actor: str, reason: str) -> event_pb2.OperationalEvent:
    """Return what events about a job have. Filled in place, one costs half of what keywords make it cost."""
    event = event_pb2.OperationalEvent()
    event.organization_id = job.organization_id
    event.aggregate_type = _INTENT
    event.type = _TYPES[type_]
    event.producer = EXECUTOR
    event.actor = actor
    event.reason = reason
    event.instance_id = job.instance_id
    event.campaign_id = job.campaign_id
    return event


def fill_taken(
    detail: event_pb2.AttemptDetail,
    job: Job,
    number: int,
    taken_at: datetime,
    provider_code: str,
    control_version: int,
    platform_version: int,
) -> None:
    """Fill in what an attempt has from the moment its job was taken."""
    detail.number = number
    detail.decision_number = job.decision_number
    detail.provider = job.provider
    detail.provider_code = provider_code
    detail.control_version = control_version
    detail.platform_version = platform_version
    detail.taken_at.CopyFrom(stamp(taken_at))
    detail.submitted_at.CopyFrom(stamp(job.submitted_at))
    detail.approved_at.CopyFrom(stamp(job.approved_at))


def fill_answer(detail: event_pb2.AttemptDetail, attempt: Attempt, next_attempt_at: datetime | None) -> None:
    """Fill in what came of an attempt, in place of another one's answer."""
    detail.provider_message_id = fingerprint(attempt.provider_message_id)
    detail.ClearField("began_at")
    detail.ClearField("ended_at")
    detail.ClearField("next_attempt_at")
    if attempt.began_at is not None:
        detail.began_at.CopyFrom(stamp(attempt.began_at))
    if attempt.ended_at is not None:
        detail.ended_at.CopyFrom(stamp(attempt.ended_at))
    if next_attempt_at is not None:
        detail.next_attempt_at.CopyFrom(stamp(next_attempt_at))


def fill_detail(event: event_pb2.OperationalEvent, job: Job, detail: Delivery | Hold | Note | None) -> None:
    """Fill in what other facts tell."""
    match detail:
        case Delivery():
            event.delivery.CopyFrom(
                event_pb2.DeliveryDetail(
                    attempt_number=detail.attempt_number,
                    provider_message_id=fingerprint(detail.provider_message_id),
                    provider_code=detail.provider_code,
                    resolution=detail.resolution,
                    note=detail.note,
                    provider_time=stamp_if(detail.provider_time),
                )
            )
        case Hold():
            event.hold.CopyFrom(
                event_pb2.HoldDetail(
                    control_ids=strings(detail.control_ids),
                    pause_reason=detail.pause_reason,
                    paused_until=stamp_if(detail.paused_until),
                )
            )
        case Note():
            event.note.CopyFrom(event_pb2.NoteDetail(note=detail.note, decision_number=job.decision_number))
        case None:
            return
        case _:
            assert_never(detail)
