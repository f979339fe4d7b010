"""Intents as the use cases carry them. A number is only ever seen sealed, a text not at all."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from gate.domain.decision import Decision
from gate.domain.schedule import Slot
from gate.domain.words import Category, IntentState
from kernel.values import value


@value
class NewIntent:
    """One valid item of a submit.

    `number_hash` is None for what is no mobile number; both ninth-digit forms have the same. `content_digest` is the
    same for the same campaign and content, `content_hash` for the same item as a whole. `sealed` is handed over.
    `utc_offset` is the recipient's local time in hours.
    """

    request_id: str
    campaign_id: str
    instance_id: str
    category: Category
    utc_offset: int
    reference: str
    hold_if_paused: bool
    expire_time: datetime | None
    number_hash: bytes | None
    content_digest: bytes
    content_hash: bytes
    sealed: bytes


@value
class Submission:
    """What one caller submits in one call."""

    organization_id: str
    subject: str
    traceparent: str
    intents: Sequence[NewIntent]


@value
class Message:
    """An intent that has its id. Never changes."""

    organization_id: str
    intent_id: UUID
    request_id: str
    campaign_id: str
    asked_instance_id: str
    category: Category
    utc_offset: int
    reference: str
    hold_if_paused: bool
    expire_time: datetime
    number_hash: bytes | None
    recipient_id: UUID | None
    content_digest: bytes
    content_hash: bytes
    sealed: bytes
    traceparent: str
    submitted_at: datetime

    @property
    def forgotten(self) -> bool:
        """Tell whether number and content are gone: it can never be handed over."""
        return not self.sealed


@value
class Standing:
    """Where an accepted intent stands. `sequence` is the next number that the holder of the intent may use."""

    state: IntentState
    sequence: int
    decision_number: int
    instance_id: str
    slot: Slot | None
    reason: str


@value
class Held:
    """An accepted intent under the lock of its organization."""

    message: Message
    standing: Standing


@value
class Recorded:
    """A decision with its number."""

    number: int
    decided_by: str
    decision: Decision


@value
class Verdict:
    """A decision to be stored. Its event takes the number `sequence`; a job, if there is one, the next."""

    message: Message
    sequence: int
    recorded: Recorded


@value
class Submitted:
    """The answer for one item: an accepted intent and its current decision."""

    intent_id: UUID
    recorded: Recorded
    replayed: bool


@value
class Ending:
    """An intent that ends while it is with the gate, by expiry or by a caller."""

    held: Held
    state: IntentState
    actor: str
    reason: str
    note: str


@value
class Wait:
    """Until when, and for what event, a QUEUED intent waits with the gate."""

    message: Message
    due_at: datetime
    waits_for: str


@value
class View:
    """An intent as it is shown to callers."""

    message: Message
    standing: Standing
    recorded: Recorded
