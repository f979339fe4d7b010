"""What the use cases need from outside, by intent. The infrastructure implements these; nothing here is implemented."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from gate.application.messages import Ending, Held, Recorded, Verdict, Wait
from gate.domain.facts import Controls, Instance, Scope
from gate.domain.policy import Policy
from gate.domain.words import CancelOutcome
from kernel.values import value


@dataclass(slots=True, kw_only=True)
class Organization:
    """What an organization is judged by, held under its lock. `instances` are counted in as slots are given."""

    organization_id: str
    policy: Policy
    policy_version: int
    lane_version: int
    instances: dict[str, Instance] = field(default_factory=dict)


@value
class RecipientFacts:
    """What is known of a recipient. One who was made for this batch has no earlier intent."""

    recipient_id: UUID
    suppressed: bool
    made: bool


@value
class Replay:
    """What an earlier request id led to."""

    intent_id: UUID
    content_hash: bytes
    recorded: Recorded


class Asked(NamedTuple):
    """What control is asked about for one intent; an empty instance stands for all of the organization."""

    organization_id: str
    campaign_id: str
    instance_id: str


InstanceKey = tuple[str, str]
"""Organization and instance."""
RecipientKey = tuple[str, bytes]
"""Organization and number hash."""
ContentKey = tuple[str, bytes, bytes]
"""Organization, number hash and content digest."""


class Control(Protocol):
    """The kill switch, as the gate sees it."""

    async def check(self, scopes: Iterable[Scope]) -> Controls:
        """Ask for all `scopes` in one call. What was not answered is not among the asked: nothing raises."""
        ...


class Facts(Protocol):
    """Loads what a batch is decided by, each with one statement."""

    async def replays(self, request_ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Replay]:
        """Return what became of request ids seen before, by organization and request id."""
        ...

    async def recipients(self, keys: Sequence[RecipientKey]) -> Mapping[RecipientKey, RecipientFacts]:
        """Return the recipients of these numbers, making those that are new."""
        ...

    async def contents(
        self, keys: Sequence[ContentKey], since: Mapping[str, datetime]
    ) -> Mapping[ContentKey, Sequence[UUID]]:
        """Return the live intents with the same recipient, campaign and content, accepted since."""
        ...


class Verdicts(Protocol):
    """Writes what was decided, with one statement a table, and tells executor and audit in the same commit."""

    async def insert(self, verdicts: Sequence[Verdict], waits: Sequence[Wait]) -> None:
        """Store new intents with their first decisions."""
        ...

    async def update(self, verdicts: Sequence[Verdict], waits: Sequence[Wait]) -> None:
        """Store further decisions of intents accepted before."""
        ...

    async def keep_waiting(self, waits: Sequence[Wait]) -> None:
        """Move when intents are decided again, without a decision."""
        ...

    async def end(self, endings: Sequence[Ending], now: datetime) -> None:
        """Store that intents ended with the gate."""
        ...

    async def save_schedules(self, organizations: Iterable[Organization]) -> None:
        """Store the slots given and taken back."""
        ...

    def tell(self, verdicts: Sequence[Verdict], organizations: Mapping[str, Organization]) -> None:
        """Post the events, and the jobs of what was approved, to leave with the commit."""
        ...


class Deciding(Facts, Verdicts, Protocol):
    """One transaction of decisions."""

    async def lock(
        self, organization_ids: Iterable[str], named: Collection[InstanceKey] | None = None
    ) -> dict[str, Organization]:
        """Take the organizations' locks, in order, and load what they are judged by: instances named, or all."""
        ...

    async def held(self, intents: Sequence[tuple[str, UUID]]) -> Sequence[Held]:
        """Return accepted intents with what is needed to decide again; call under the lock."""
        ...


class Evaluating(Facts, Protocol):
    """Reads what a decision would be made from; takes no lock and makes nothing."""

    async def look(self, organization_id: str) -> Organization:
        """Return what an organization is judged by; the defaults for one that is not known yet."""
        ...


class Store(Protocol):
    """Transactions."""

    def deciding(self) -> AbstractAsyncContextManager[Deciding]:
        """Begin a transaction that commits when its block ends; what it told leaves then."""
        ...

    def evaluating(self) -> AbstractAsyncContextManager[Evaluating]:
        """Begin a transaction that only reads."""
        ...

    async def instance_ids(self, organization_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the instances of organizations, outside any transaction."""
        ...

    async def asked(self, intents: Sequence[tuple[str, UUID]]) -> Sequence[Asked]:
        """Return what control has to be asked about accepted intents, outside any transaction."""
        ...


class CancelJobs(Protocol):
    """Asks the executor to cancel what was handed over. Raises Failure UNAVAILABLE if it does not answer."""

    async def __call__(
        self,
        *,
        organization_id: str,
        request_id: str,
        intent_ids: Sequence[UUID],
        reason: str,
        actor: str,
        validate_only: bool,
    ) -> Mapping[UUID, CancelOutcome]: ...


class Wake(Protocol):
    """Tells the release when something comes due earlier than it may know."""

    def __call__(self, due_at: datetime | None) -> None: ...


class CountDecisions(Protocol):
    """Counts decisions for the metrics."""

    def __call__(self, verdicts: Sequence[Verdict]) -> None: ...


def scopes_of(organization_id: str, campaign_id: str, instance_ids: Iterable[str]) -> Iterable[Scope]:
    """Return the scopes whose answers together say whether any of the instances may send for the campaign."""
    yield Scope(organization_id, "", campaign_id)
    for instance_id in instance_ids:
        yield Scope(organization_id, instance_id, "")
