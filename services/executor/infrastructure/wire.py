"""Messages of the contract to domain values and back: one dict a direction. Decides nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from executor.domain.job import Attempt, Content, Job, Lane, Media, NewJob, Template, Text
from executor.domain.words import AttemptOutcome, CancelOutcome, JobState, Resolution
from executor.infrastructure.counting import Working
from executor.infrastructure.events import stamp, stamp_if
from kernel.errors import Violation
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2

STATES = {state: executor_pb2.JobState.Value(f"JOB_STATE_{state.value}") for state in JobState}
OUTCOMES = {
    outcome: executor_pb2.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{outcome.value}") for outcome in AttemptOutcome
}
CANCEL_OUTCOMES = {
    outcome: intent_pb2.CancelOutcome.Value(f"CANCEL_OUTCOME_{outcome.value}") for outcome in CancelOutcome
}
RESOLUTIONS = {executor_pb2.Resolution.Value(f"RESOLUTION_{resolution.value}"): resolution for resolution in Resolution}
STATES_ASKED = {number: state for state, number in STATES.items()}
_CATEGORIES = {number: name.removeprefix("CATEGORY_") for name, number in intent_pb2.Category.items() if number != 0}
_MEDIA = {
    number: name.removeprefix("MEDIA_KIND_").lower() for name, number in intent_pb2.MediaKind.items() if number != 0
}
_LONGEST_NAME = 64
_LONGEST_TRACEPARENT = 64


class UnfitError(Exception):
    """An item of a batch that cannot be taken, with every field that is wrong."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(", ".join(violation.field for violation in violations))
        self.violations = tuple(violations)


def new_job(item: executor_pb2.ApprovedIntent) -> NewJob:
    """Return the approved intent, or raise `UnfitError` naming every bad field."""
    bad: list[Violation] = []
    intent_id, content = _uuid(item.intent_id), _content(item)
    organization_id, instance_id, campaign_id = item.organization_id, item.instance_id, item.campaign_id
    recipient, recipient_id = item.recipient, item.recipient_id
    submitted_at, approved_at = _time(item, "submitted_at"), _time(item, "approved_at")
    approved_until, expire_time = _time(item, "approved_until"), _time(item, "expire_time")
    _refuse(bad, "intent_id", intent_id is None, "must be a UUID")
    _refuse(bad, "organization_id", not 1 <= len(organization_id) <= _LONGEST_NAME, "must have 1 to 64 characters")
    _refuse(bad, "instance_id", not 1 <= len(instance_id) <= _LONGEST_NAME, "must have 1 to 64 characters")
    _refuse(bad, "campaign_id", len(campaign_id) > _LONGEST_NAME, "must have at most 64 characters")
    _refuse(bad, "decision_number", not 1 <= item.decision_number < 2**31, "must be 1 or more")
    _refuse(bad, "sequence", not 1 <= item.sequence < 2**63, "must be 1 or more")
    _refuse(bad, "category", item.category not in _CATEGORIES, "must be given")
    _refuse(bad, "recipient", not 1 <= len(recipient) <= _LONGEST_NAME, "must have 1 to 64 characters")
    _refuse(bad, "content", content is None, "must be given")
    texts = organization_id + instance_id + campaign_id + recipient + recipient_id
    _refuse(bad, "", "\0" in texts, "must hold no NUL")
    if not (submitted_at and approved_at and approved_until and expire_time):
        for name in ("submitted_at", "approved_at", "approved_until", "expire_time"):
            _refuse(bad, name, _time(item, name) is None, "must be a time within the range of its type")
        raise UnfitError(bad)
    if bad or intent_id is None or content is None:
        raise UnfitError(bad)
    return NewJob(
        organization_id=organization_id,
        intent_id=intent_id,
        decision_number=item.decision_number,
        sequence=item.sequence,
        instance_id=instance_id,
        campaign_id=campaign_id,
        category=_CATEGORIES[item.category],
        recipient=recipient,
        recipient_id=recipient_id[:_LONGEST_NAME],
        content=content,
        submitted_at=submitted_at,
        approved_at=approved_at,
        approved_until=approved_until,
        expire_time=expire_time,
        not_before=_time(item, "not_before"),
        retry_unknown=item.retry_unknown,
        traceparent=item.traceparent if len(item.traceparent) <= _LONGEST_TRACEPARENT else "",
    )


def lane(item: executor_pb2.Lane) -> Lane:
    """Return the lane, or raise `UnfitError` naming every bad field."""
    bad: list[Violation] = []
    gap = item.gap.seconds + item.gap.nanos / 1e9
    _refuse(bad, "organization_id", not 1 <= len(item.organization_id) <= _LONGEST_NAME, "must have 1 to 64 characters")
    _refuse(bad, "instance_id", not 1 <= len(item.instance_id) <= _LONGEST_NAME, "must have 1 to 64 characters")
    _refuse(bad, "version", item.version >= 2**63, "must fit 63 bits")
    _refuse(bad, "gap", not 0 <= gap <= 86_400, "must be 0 to 24 hours")
    _refuse(bad, "burst", item.burst > 100_000, "must be at most 100,000")
    texts = (item.organization_id, item.instance_id, item.provider, item.provider_account)
    _refuse(bad, "", any("\0" in text or len(text) > _LONGEST_NAME for text in texts), "must be short and hold no NUL")
    if bad:
        raise UnfitError(bad)
    return Lane(
        organization_id=item.organization_id,
        instance_id=item.instance_id,
        version=item.version,
        provider=item.provider,
        provider_account=item.provider_account,
        gap=gap,
        burst=max(1, item.burst),
    )


def job_message(job: Job, attempts: Sequence[Attempt]) -> executor_pb2.Job:
    """Return a job for callers; the attempt that is under way is shown without an outcome."""
    shown = [_attempt_message(attempt) for attempt in attempts]
    if job.state is JobState.SENDING and job.taken_at is not None:
        shown.append(
            executor_pb2.Attempt(
                number=job.attempt,
                taken_at=stamp(job.taken_at),
                control_version=job.control_version,
                platform_version=job.platform_version,
            )
        )
    return executor_pb2.Job(
        intent_id=str(job.intent_id),
        decision_number=job.decision_number,
        instance_id=job.instance_id,
        campaign_id=job.campaign_id,
        state=STATES[job.state],
        reason=job.reason,
        next_attempt_at=stamp_if(job.next_attempt_at),
        approved_until=stamp(job.approved_until),
        attempts=shown,
        create_time=stamp(job.created_at),
    )


def working_message(working: Working) -> executor_pb2.WorkingJobs:
    """Return how many jobs of a scope there are."""
    organization_id, instance_id, campaign_id = working.scope
    return executor_pb2.WorkingJobs(
        organization_id=organization_id,
        instance_id=instance_id,
        campaign_id=campaign_id,
        waiting=working.waiting,
        in_flight=working.in_flight,
    )


def _attempt_message(attempt: Attempt) -> executor_pb2.Attempt:
    return executor_pb2.Attempt(
        number=attempt.number,
        taken_at=stamp(attempt.taken_at),
        began_at=stamp_if(attempt.began_at),
        ended_at=stamp_if(attempt.ended_at),
        outcome=OUTCOMES[attempt.outcome],
        reason=attempt.reason,
        provider_code=attempt.provider_code,
        provider_message_id=attempt.provider_message_id,
        control_version=attempt.control_version,
        platform_version=attempt.platform_version,
    )


def _time(item: executor_pb2.ApprovedIntent, name: str) -> datetime | None:
    if not item.HasField(name):  # type: ignore[arg-type]
        return None
    given: Timestamp = getattr(item, name)
    return _moment(given.seconds, given.nanos)


@lru_cache(maxsize=1_024)
def _moment(seconds: int, nanos: int) -> datetime | None:
    """Return the moment, if there is such a one; what is decided together has its times in common."""
    try:
        return Timestamp(seconds=seconds, nanos=nanos).ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _content(item: executor_pb2.ApprovedIntent) -> Content | None:
    given = item.WhichOneof("content")
    return None if given is None else _CONTENTS[given](item)


def _template(item: executor_pb2.ApprovedIntent) -> Content:
    template = item.template
    return Template(name=template.name, language=template.language or "pt_BR", parameters=tuple(template.parameters))


def _text(item: executor_pb2.ApprovedIntent) -> Content:
    return Text(body=item.text.body)


def _media(item: executor_pb2.ApprovedIntent) -> Content | None:
    media = item.media
    kind = _MEDIA.get(media.kind)
    return None if kind is None else Media(kind=kind, link=media.link, caption=media.caption, filename=media.filename)


_CONTENTS: dict[str, Callable[[executor_pb2.ApprovedIntent], Content | None]] = {
    "template": _template,
    "text": _text,
    "media": _media,
}


def _refuse(bad: list[Violation], field: str, broken: bool, description: str) -> None:
    if broken:
        bad.append(Violation(field=field, description=description))
