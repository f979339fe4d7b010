"""Take signals: count them, and act on those that call for it. Knows neither webhooks nor provider codes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gate.application.changes import Work
from gate.application.cooldowns import Cause, end, start
from gate.application.pending_cancels import SettleCancels
from gate.application.ports import InstanceKey, Organization, Wake
from gate.application.suppressions import cancel_waiting
from gate.domain.reputation import WINDOW, CooldownReason, SignalKind, is_failing
from kernel.clock import Clock

COUNTED = frozenset({SignalKind.SENT, SignalKind.DELIVERED, SignalKind.READ, SignalKind.FAILED})
_TELLING = frozenset({SignalKind.SENT, SignalKind.FAILED, SignalKind.SPAM_LIMIT})
_CONNECTIONS = frozenset({SignalKind.CONNECTED, SignalKind.DISCONNECTED})


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
    """What was counted of an instance in the window, and since when: the end of the last cooldown, if there was one."""

    sends: int
    failures: int
    counted_from: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Whether an instance could send at a time."""

    organization_id: str
    instance_id: str
    connected: bool
    at: datetime


class Signals(Protocol):
    """Keeps signals and their counts."""

    async def store_new(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Store those that were not seen before, with their counts by minute, and return them."""
        ...

    async def counts(self, instances: Sequence[tuple[str, str]], since: datetime) -> Mapping[tuple[str, str], Counts]:
        """Return what was counted since, and since the last cooldown, of those that exist."""
        ...

    async def mark_failed(self, intents: Sequence[tuple[str, UUID]]) -> None:
        """Note that intents failed for good: the same content may be sent again."""
        ...

    async def number_hashes(self, intents: Sequence[tuple[str, UUID]]) -> Mapping[tuple[str, UUID], bytes]:
        """Return whom intents are for."""
        ...

    async def connect(self, connections: Sequence[Connection]) -> bool:
        """Note whether instances can send, unless something newer is known; return whether that changed any."""
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
        organizations = await tx.lock({signal.organization_id for signal in signals}, _concerned(signals))
        new = await tx.signals.store_new(signals)
        failed = [
            (signal.organization_id, signal.intent_id)
            for signal in new
            if signal.kind is SignalKind.FAILED and signal.intent_id is not None
        ]
        if failed:
            await tx.signals.mark_failed(failed)
        opted_out = await _suppress(tx, organizations, new, clock)
        await _cool_down(tx, organizations, new, clock.now())
        changed = await _connect(tx, new)
        locked = {(s.organization_id, s.instance_id): s for s in new if s.kind is SignalKind.ACCOUNT_LOCKED}
        for (organization_id, instance_id), signal in sorted(locked.items(), key=lambda item: item[0]):
            if instance_id in organizations[organization_id].instances:
                await tx.signals.ask_for_pause(signal, clock.now())
    if changed:
        wake(None)
    for organization_id in opted_out:
        await settle(organization_id)


def _concerned(signals: Sequence[Signal]) -> set[InstanceKey] | None:
    """Return the instances that the signals name; None if one may cancel what waits for any."""
    if any(signal.kind is SignalKind.OPTED_OUT for signal in signals):
        return None
    return {(signal.organization_id, signal.instance_id) for signal in signals}


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
        await cancel_waiting(
            tx, organizations[organization_id], numbers, actor=source, note="asked to stop", clock=clock
        )
    return {organization_id for organization_id, _ in hashes}


async def _connect(tx: SignalWork, signals: Sequence[Signal]) -> bool:
    """Note the newest that is reported of each instance; return whether it changes any."""
    reported = [signal for signal in signals if signal.kind in _CONNECTIONS]
    newest = {(s.organization_id, s.instance_id): s for s in sorted(reported, key=lambda signal: signal.occurred_at)}
    if not newest:
        return False
    return await tx.signals.connect(
        [
            Connection(
                organization_id=organization_id,
                instance_id=instance_id,
                connected=signal.kind is SignalKind.CONNECTED,
                at=signal.occurred_at,
            )
            for (organization_id, instance_id), signal in sorted(newest.items(), key=lambda item: item[0])
        ]
    )


async def _cool_down(
    tx: SignalWork, organizations: Mapping[str, Organization], signals: Sequence[Signal], now: datetime
) -> None:
    """Start the cooldowns that the new signals call for, at most one an instance. A running one is left as it is."""
    spam: dict[tuple[str, str], datetime] = {}
    touched: set[tuple[str, str]] = set()
    for signal in signals:
        key = (signal.organization_id, signal.instance_id)
        if signal.kind not in _TELLING or not await _is_warm(tx, organizations, key, now):
            continue
        touched.add(key)
        if signal.kind is SignalKind.SPAM_LIMIT:
            spam[key] = max(signal.occurred_at, spam.get(key, signal.occurred_at))
    if not touched:
        return
    causes: dict[tuple[str, str], Cause] = {}
    for key, counts in (await tx.signals.counts(sorted(touched), now - WINDOW)).items():
        if key in spam and (counts.counted_from is None or spam[key] > counts.counted_from):
            causes[key] = Cause(reason=CooldownReason.SPAM_LIMIT)
        elif is_failing(counts.failures, counts.sends, organizations[key[0]].policy.failure_threshold):
            causes[key] = Cause(reason=CooldownReason.FAILURE_SHARE, sends=counts.sends, failures=counts.failures)
    await start(tx, organizations, causes, now)


async def _is_warm(
    tx: SignalWork, organizations: Mapping[str, Organization], key: tuple[str, str], now: datetime
) -> bool:
    """Tell whether an instance exists and is in no cooldown; one that is over ends now, before another starts."""
    instance = organizations[key[0]].instances.get(key[1])
    if instance is None:
        return False
    if instance.cooldown is None:
        return True
    if instance.cooldown.end_time > now:
        return False
    await end(tx, *key, instance.cooldown, at=instance.cooldown.end_time)
    instance.cooldown = None
    return True
