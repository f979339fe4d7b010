"""Post what a transaction decided to executor and audit, in its own commit. Knows the wire, no table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.outbox import PostingTransaction
from gate.application.messages import Ending, Verdict
from gate.application.ports import Organization
from gate.domain.words import Outcome
from gate.infrastructure import wire
from gate.infrastructure.sealing import Vault
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2

EXECUTOR, AUDIT, CONTROL = "executor", "audit", "control"
MOST_JOBS, MOST_EVENTS = 500, 10_000
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFacts:
    """What the executor has to know of an instance."""

    provider: str
    provider_account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Builds parcels; opens what was sealed only to put it into a job."""

    vault: Vault

    def tell_verdicts(
        self,
        tx: PostingTransaction,
        verdicts: Sequence[Verdict],
        organizations: Mapping[str, Organization],
        lanes: Mapping[tuple[str, str], LaneFacts],
    ) -> None:
        """Post an event for each verdict, and a job for each approval with the lanes that the jobs need."""
        self._post_events(tx, wire.decision_events(verdicts))
        approved = [verdict for verdict in verdicts if verdict.recorded.decision.outcome is Outcome.APPROVED]
        used = {(verdict.message.organization_id, verdict.recorded.decision.instance_id) for verdict in approved}
        needed = self.lanes(
            (organizations[organization_id], instance_id, lanes[organization_id, instance_id])
            for organization_id, instance_id in sorted(used)
        )
        jobs = wire.approved_jobs(
            approved,
            content_of=lambda message: self.vault.unseal(message.organization_id, message.sealed),
            policy_of=lambda message: organizations[message.organization_id].policy,
        )
        for payload, items in wire.joined(jobs, most_bytes=_MOST_BYTES, most_items=MOST_JOBS):
            tx.post(EXECUTOR, needed + payload, items)

    def tell_endings(self, tx: PostingTransaction, endings: Sequence[Ending], now: datetime) -> None:
        """Post the events of intents that ended with the gate."""
        self.tell_events(tx, (wire.ending_event(ending, now) for ending in endings))

    def tell_events(self, tx: PostingTransaction, events: Iterable[event_pb2.OperationalEvent]) -> None:
        """Post events."""
        self._post_events(tx, map(wire.as_event, events))

    def _post_events(self, tx: PostingTransaction, items: Iterable[bytes]) -> None:
        for payload, count in wire.joined(items, most_bytes=_MOST_BYTES, most_items=MOST_EVENTS):
            tx.post(AUDIT, payload, count)

    def tell_lanes(self, tx: PostingTransaction, lanes: Iterable[tuple[Organization, str, LaneFacts]]) -> None:
        """Post lanes alone, after an instance or a policy changed."""
        changed = list(lanes)
        if changed:
            tx.post(EXECUTOR, self.lanes(changed), len(changed))

    def lanes(self, lanes: Iterable[tuple[Organization, str, LaneFacts]]) -> bytes:
        """Return lanes as a part of AcceptJobsRequest."""
        return executor_pb2.AcceptJobsRequest(
            lanes=[
                wire.lane(
                    organization_id=organization.organization_id,
                    instance_id=instance_id,
                    version=organization.lane_version,
                    provider=facts.provider,
                    provider_account=facts.provider_account,
                    policy=organization.policy,
                )
                for organization, instance_id, facts in lanes
            ]
        ).SerializeToString()
