"""Jobs, lanes and what is sent. Knows neither how a job moves nor where it is kept."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from executor.domain.words import AttemptOutcome, DeliveryStatus, JobState
from kernel.values import value


class Scope(NamedTuple):
    """What a send belongs to, and what control is asked about."""

    organization_id: str
    instance_id: str
    campaign_id: str


class JobKey(NamedTuple):
    """Names a job."""

    organization_id: str
    intent_id: UUID


@value
class Template:
    """A template as approved at the provider."""

    name: str
    language: str
    parameters: tuple[str, ...] = ()


@value
class Text:
    """Free text."""

    body: str


@value
class Media:
    """A file that the provider fetches. `kind` is image, video, audio or document."""

    kind: str
    link: str
    caption: str = ""
    filename: str = ""


Content = Template | Text | Media


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """How to send from one instance. `gap` is in seconds; 0 is none."""

    organization_id: str
    instance_id: str
    version: int
    provider: str
    provider_account: str
    gap: float
    burst: int

    def __post_init__(self) -> None:
        if self.gap < 0 or self.burst < 1:
            raise ValueError("a lane has a gap of 0 or more and a burst of 1 or more")


@value
class NewJob:
    """An approved intent as the gate hands it over. `sequence` is the next number of the intent's sequence."""

    organization_id: str
    intent_id: UUID
    decision_number: int
    sequence: int
    instance_id: str
    campaign_id: str
    category: str
    recipient: str = field(repr=False)
    recipient_id: str
    content: Content = field(repr=False)
    submitted_at: datetime
    approved_at: datetime
    approved_until: datetime
    expire_time: datetime
    not_before: datetime | None
    retry_unknown: bool
    traceparent: str


@value
class Job:
    """A job as it was read: the facts it moves by, without recipient and content.

    `attempt` numbers every try ever made; `tries` counts those since the last approval that count against the limit.
    `forgotten` says that recipient and content are gone: it can be settled, and not be sent again.
    """

    organization_id: str
    intent_id: UUID
    decision_number: int
    instance_id: str
    campaign_id: str
    provider: str
    state: JobState
    reason: str
    next_attempt_at: datetime | None
    held_by: tuple[UUID, ...]
    submitted_at: datetime
    approved_at: datetime
    approved_until: datetime
    expire_time: datetime
    retry_unknown: bool
    traceparent: str
    attempt: int
    tries: int
    lease_token: UUID | None
    taken_at: datetime | None
    control_version: int
    platform_version: int
    created_at: datetime
    forgotten: bool = False

    @property
    def key(self) -> JobKey:
        return JobKey(self.organization_id, self.intent_id)

    @property
    def scope(self) -> Scope:
        return Scope(self.organization_id, self.instance_id, self.campaign_id)


@value
class Attempt:
    """One try to send a job, once something is known of it. `delivery` is the highest status its webhooks brought."""

    number: int
    taken_at: datetime
    outcome: AttemptOutcome
    reason: str = ""
    began_at: datetime | None = None
    ended_at: datetime | None = None
    provider_code: str = ""
    provider_message_id: str = ""
    control_version: int = 0
    platform_version: int = 0
    delivery: DeliveryStatus | None = None
    contradiction: str = ""


@value
class Message:
    """What a provider is asked to send."""

    attempt_id: str
    provider_account: str
    recipient: str = field(repr=False)
    content: Content = field(repr=False)
    traceparent: str = ""


@value
class TakenJob:
    """A job in SENDING with what it takes to send it. `slot_in` is how many seconds after the take it may begin."""

    job: Job
    provider_account: str
    recipient: str = field(repr=False)
    content: Content = field(repr=False)
    slot_in: float

    def message(self) -> Message:
        """Return what goes to the provider, under the id of this attempt."""
        return Message(
            attempt_id=f"{self.job.intent_id}.{self.job.attempt}",
            provider_account=self.provider_account,
            recipient=self.recipient,
            content=self.content,
            traceparent=self.job.traceparent,
        )


def parse_attempt_id(attempt_id: str) -> tuple[UUID, int] | None:
    """Return intent id and attempt number, or None if it is no attempt id."""
    intent, dot, number = attempt_id.partition(".")
    if not dot or not number.isascii() or not number.isdigit() or len(number) > 9:
        return None
    try:
        return UUID(intent), int(number)
    except ValueError:
        return None
