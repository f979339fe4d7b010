"""A change of one job: its guard, its new state, and the facts that go on the timeline with it. Knows no store."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from executor.domain.job import Attempt, Job
from executor.domain.words import SYSTEM, FactType, JobState, Reason, SignalKind
from kernel.values import value


@value
class Delivery:
    """What became of a message after it was sent, or how an unknown outcome was settled."""

    attempt_number: int
    provider_message_id: str = ""
    provider_time: datetime | None = None
    provider_code: str = ""
    resolution: str = ""
    note: str = ""


@value
class Hold:
    """The pauses a job met."""

    control_ids: tuple[UUID, ...]
    pause_reason: str
    paused_until: datetime | None


@value
class Note:
    """More in words."""

    note: str = ""


@value
class Fact:
    """One entry of the timeline. The store numbers it; `at` is when it happened, by the wall clock."""

    type: FactType
    at: datetime
    reason: str = ""
    actor: str = SYSTEM
    detail: Attempt | Delivery | Hold | Note | None = None


@value
class Signal:
    """One report to the gate; equal ones of an instance and minute are counted together unless about one intent."""

    kind: SignalKind
    at: datetime
    code: str = ""
    about_intent: bool = False


@value
class Change:
    """Move `job` from what it was when it was read. The store refuses it if state, attempt or lease have changed since.

    `retry_in` is how many seconds until it may be tried (READY only; None leaves the time as it is), `retry_by` bounds
    it. `returned` gives it back to the gate, for that reason.
    """

    job: Job
    state: JobState
    reason: str
    tries: int
    retry_in: float | None = None
    retry_by: datetime | None = None
    held_by: tuple[UUID, ...] = ()
    attempt: Attempt | None = None
    facts: tuple[Fact, ...] = ()
    signals: tuple[Signal, ...] = ()
    returned: str = ""

    @property
    def contradicts(self) -> bool:
        """It records an answer that contradicts a definite one: somebody must look at it."""
        return self.attempt is not None and bool(self.attempt.contradiction)


def possible(change: Change) -> Change:
    """Return the change, or for a job whose recipient and content are gone the end of it in place of another try."""
    if not change.job.forgotten or change.state is not JobState.READY:
        return change
    at = change.facts[-1].at
    end = Fact(type=FactType.CANCELED, at=at, reason=Reason.FORGOTTEN, detail=Note(note="its content is not kept"))
    return replace(change, state=JobState.CANCELED, reason=Reason.FORGOTTEN, retry_in=None, facts=(*change.facts, end))
