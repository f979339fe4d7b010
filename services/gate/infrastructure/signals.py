"""Keep signals on PostgreSQL, once each, with their counts by minute. Judges nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from chassis.outbox import PostingTransaction
from gate.application.signals import COUNTED, Connection, Counts, Signal
from gate.infrastructure.changing import PostgresWork
from gate.infrastructure.handover import CONTROL, Handover
from gate.infrastructure.receivers import one_pause
from gate.infrastructure.statements import queries
from kernel.clock import Clock
from whatlead.control.v1 import control_pb2

_REASON = "the provider locked or refused the account"


@dataclass(frozen=True, slots=True)
class PostgresSignals:
    """Implements `Signals`."""

    tx: PostingTransaction

    async def store_new(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Store those that were not seen before, with their counts by minute, and return them."""
        distinct = {(signal.organization_id, signal.signal_id): signal for signal in signals}
        rows = sorted(distinct.values(), key=lambda signal: (signal.organization_id, signal.signal_id))
        stored = await self.tx.fetch(
            queries.insert_signals,
            organization_ids=[signal.organization_id for signal in rows],
            signal_ids=[signal.signal_id for signal in rows],
            instance_ids=[signal.instance_id for signal in rows],
            kinds=[signal.kind for signal in rows],
            counts=[signal.count for signal in rows],
            codes=[signal.code for signal in rows],
            intent_ids=[signal.intent_id for signal in rows],
            occurred_ats=[signal.occurred_at for signal in rows],
            sources=[signal.source for signal in rows],
        )
        new = [distinct[row.organization_id, row.signal_id] for row in stored]
        await self._count(new)
        return new

    async def _count(self, signals: Sequence[Signal]) -> None:
        totals: Counter[tuple[str, str, datetime, str]] = Counter()
        for signal in signals:
            if signal.kind in COUNTED and signal.instance_id:
                minute = signal.occurred_at.replace(second=0, microsecond=0)
                totals[signal.organization_id, signal.instance_id, minute, signal.kind] += signal.count
        if not totals:
            return
        keys = sorted(totals)
        await self.tx.execute(
            queries.add_signal_counts,
            organization_ids=[key[0] for key in keys],
            instance_ids=[key[1] for key in keys],
            minutes=[key[2] for key in keys],
            kinds=[key[3] for key in keys],
            counts=[totals[key] for key in keys],
        )

    async def counts(self, instances: Sequence[tuple[str, str]], since: datetime) -> Mapping[tuple[str, str], Counts]:
        """Return what was counted since, and since the last cooldown, of instances that exist. Failed is tried too."""
        found = await self.tx.fetch(
            queries.sum_signal_counts,
            organization_ids=[organization_id for organization_id, _ in instances],
            instance_ids=[instance_id for _, instance_id in instances],
            since=since,
        )
        return {
            (row.organization_id, row.instance_id): Counts(
                sends=int(row.sent + row.failed), failures=int(row.failed), counted_from=row.counted_from
            )
            for row in found
        }

    async def mark_failed(self, intents: Sequence[tuple[str, UUID]]) -> None:
        """Note that intents failed for good: the same content may be sent again."""
        await self.tx.execute(queries.mark_failed, **_keys(intents))

    async def number_hashes(self, intents: Sequence[tuple[str, UUID]]) -> Mapping[tuple[str, UUID], bytes]:
        """Return whom intents are for."""
        found = await self.tx.fetch(queries.find_number_hashes, **_keys(intents))
        return {(row.organization_id, row.intent_id): row.number_hash for row in found}

    async def connect(self, connections: Sequence[Connection]) -> bool:
        """Note whether instances can send, unless something newer is known; return whether that changed any."""
        changed = await self.tx.fetch(
            queries.connect_instances,
            organization_ids=[connection.organization_id for connection in connections],
            instance_ids=[connection.instance_id for connection in connections],
            connecteds=[connection.connected for connection in connections],
            ats=[connection.at for connection in connections],
        )
        return bool(changed)

    async def ask_for_pause(self, signal: Signal, now: datetime) -> None:
        """Have control asked to pause the instance, at most once a minute; leaves with the commit."""
        if not await self.tx.execute(
            queries.report_lock,
            organization_id=signal.organization_id,
            instance_id=signal.instance_id,
            now=now,
        ):
            return
        digest = blake2b(signal.signal_id.encode(), digest_size=16).hexdigest()
        request = control_pb2.PauseRequest(
            request_id=f"account-locked.{digest}",
            organization_id=signal.organization_id,
            scope=control_pb2.SCOPE_INSTANCE,
            target=signal.instance_id,
            reason=f"{_REASON} ({signal.code})" if signal.code else _REASON,
            source=control_pb2.SOURCE_PROVIDER,
            wait=control_pb2.PAUSE_WAIT_COMMITTED,
        )
        self.tx.post(CONTROL, one_pause(request), 1)


class PostgresSignalWork(PostgresWork):
    """Implements `SignalWork` on one transaction."""

    def __init__(self, tx: PostingTransaction, handover: Handover, clock: Clock) -> None:
        super().__init__(tx, handover, clock)
        self.signals = PostgresSignals(tx)


def _keys(intents: Sequence[tuple[str, UUID]]) -> dict[str, list[str] | list[UUID]]:
    return {
        "organization_ids": [organization_id for organization_id, _ in intents],
        "intent_ids": [intent_id for _, intent_id in intents],
    }
