"""Take signals: count them, and act on those that call for it. Knows neither webhooks nor provider codes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gate.application.changes import CooldownChange, Work
from gate.application.pending_cancels import SettleCancels
from gate.application.ports import Organization, Wake
from gate.application.suppressions import cancel_waiting
from gate.domain.reputation import (
    ESCALATION_MEMORY,
    WINDOW,
    CooldownReason,
    SignalKind,
    is_failing,
    next_cooldown,
)
from kernel.clock import Clock

COUNTED = frozenset({SignalKind.SENT, SignalKind.DELIVERED, SignalKind.READ, SignalKind.FAILED})
SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One report."""

    organization_id: str
    signal_id: str
    instance_id: str
    kind: SignalKind
    count: int
    code: str
    intent_id: UUID | None
    occurred_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted of an instance in the window."""

    sends: int
    failures: int


class Signals(Protocol):
    """Keeps signals and their counts."""

    async def store_new(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Store those that were not seen before, with their counts by minute, and return them."""
        ...

    async def counts(self, instances: Sequence[tuple[str, str]], since: datetime) -> Mapping[tuple[str, str], Counts]:
        """Return what was counted since, and since the last cooldown."""
        ...

    async def cooldown_starts(self, organization_id: str, instance_id: str, since: datetime) -> Sequence[datetime]:
        """Return when cooldowns started."""
        ...

    async def mark_failed(self, intents: Sequence[tuple[str, UUID]]) -> None:
        """Note that intents failed for good: the same content may be sent again."""
        ...

    async def number_hashes(self, intents: Sequence[tuple[str, UUID]]) -> Mapping[tuple[str, UUID], bytes]:
        """Return whom intents are for."""
        ...

    async def connect(self, organization_id: str, instance_id: str, connected: bool) -> bool:
        """Note whether an instance can send; return whether that is new."""
        ...

    async def ask_for_pause(self, signal: Signal, now: datetime) -> None:
        """Have control asked to pause the instance, at most once a minute; leaves with the commit."""
        ...


class SignalWork(Work, Protocol):
    """A transaction that takes signals."""

    @property
    def signals(self) -> Signals: ...


class SignalWorks(Protocol):
    """Begins transactions that take signals."""

    def work(self) -> AbstractAsyncContextManager[SignalWork]: ...


async def take_signals(
    signals: Sequence[Signal], *, works: SignalWorks, settle: SettleCancels, clock: Clock, wake: Wake
) -> None:
    """Store and act, in one transaction under the locks of the organizations concerned."""
    async with works.work() as tx:
        organizations = await tx.lock({signal.organization_id for signal in signals})
        new = await tx.signals.store_new(signals)
        failed = [
            (signal.organization_id, signal.intent_id)
            for signal in new
            if signal.kind is SignalKind.FAILED and signal.intent_id is not None
        ]
        if failed:
            await tx.signals.mark_failed(failed)
        opted_out = await _suppress(tx, organizations, new, clock)
        await _cool_down(tx, organizations, new, clock)
        changed = await _connect(tx, new)
        for signal in new:
            if signal.kind is SignalKind.ACCOUNT_LOCKED:
                await tx.signals.ask_for_pause(signal, clock.now())
    if changed:
        wake(None)
    for organization_id in opted_out:
        await settle(organization_id)


async def _suppress(
    tx: SignalWork, organizations: Mapping[str, Organization], signals: Sequence[Signal], clock: Clock
) -> set[str]:
    asking = {
        (signal.organization_id, signal.intent_id): signal.source
        for signal in signals
        if signal.kind is SignalKind.OPTED_OUT and signal.intent_id is not None
    }
    if not asking:
        return set()
    hashes: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for intent, number_hash in (await tx.signals.number_hashes(list(asking))).items():
        hashes[intent[0], asking[intent]].append(number_hash)
    for (organization_id, source), numbers in hashes.items():
        await tx.suppressions.add(organization_id, numbers, by=source, reason="asked to stop", at=clock.now())
        await cancel_waiting(tx, organizations[organization_id], numbers, actor=source, note="opted out", clock=clock)
    return {organization_id for organization_id, _ in hashes}


async def _connect(tx: SignalWork, signals: Sequence[Signal]) -> bool:
    changed = False
    for signal in sorted(signals, key=lambda signal: signal.occurred_at):
        if signal.kind in (SignalKind.CONNECTED, SignalKind.DISCONNECTED):
            connected = signal.kind is SignalKind.CONNECTED
            changed |= await tx.signals.connect(signal.organization_id, signal.instance_id, connected)
    return changed


async def _cool_down(
    tx: SignalWork, organizations: Mapping[str, Organization], signals: Sequence[Signal], clock: Clock
) -> None:
    """Start the cooldowns that the new signals call for, at most one an instance. A running one is left as it is."""
    now = clock.now()
    causes: dict[tuple[str, str], tuple[CooldownReason, Counts]] = {}
    failing = sorted(
        {(s.organization_id, s.instance_id) for s in signals if s.kind is SignalKind.FAILED and s.instance_id}
    )
    counts = await tx.signals.counts(failing, now - WINDOW) if failing else {}
    for key, counted in counts.items():
        if is_failing(counted.failures, counted.sends, organizations[key[0]].policy.failure_threshold):
            causes[key] = (CooldownReason.FAILURE_SHARE, counted)
    for signal in signals:
        if signal.kind is SignalKind.SPAM_LIMIT:
            causes[signal.organization_id, signal.instance_id] = (
                CooldownReason.SPAM_LIMIT,
                Counts(sends=0, failures=0),
            )
    changes = []
    for (organization_id, instance_id), (reason, counted) in sorted(causes.items()):
        organization = organizations[organization_id]
        instance = organization.instances.get(instance_id)
        if instance is None or (instance.cooldown is not None and instance.cooldown.end_time > now):
            continue
        starts = await tx.signals.cooldown_starts(organization_id, instance_id, now - ESCALATION_MEMORY)
        cooldown = next_cooldown(reason=reason, policy=organization.policy, earlier_starts=starts, now=now)
        await tx.instances.start_cooldown(organization_id, instance_id, cooldown)
        changes.append(
            CooldownChange(
                organization_id=organization_id,
                instance_id=instance_id,
                cooldown=cooldown,
                started=True,
                at=now,
                actor=SYSTEM,
                failures=counted.failures,
                sends=counted.sends,
            )
        )
    tx.tell_cooldowns(changes)
