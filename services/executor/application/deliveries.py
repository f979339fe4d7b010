"""Work off the webhooks' inbox: statuses move their jobs, in batches. Knows no signature and no provider's format."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import structlog

from executor.application.outcomes import alarm_contradictions
from executor.application.ports import Begin
from executor.application.ports_operations import Inbox, InboxEntry, ToldStatus
from executor.application.signals import Wake
from executor.domain.change import Change
from executor.domain.delivery import Nothing, Status, Wait, apply_status
from executor.domain.job import JobKey, parse_attempt_id
from executor.domain.settling import RetryPolicy
from kernel.clock import Clock
from kernel.errors import Failure

_ENTRIES = 200
_LONGEST_SLEEP = 2.0
AGAIN_SECONDS = 0.25
_FIRST_BACKOFF = 0.05

log = structlog.get_logger("executor")


class Deliveries:
    """The loop that works off the inbox."""

    def __init__(
        self,
        *,
        begin: Begin[Inbox],
        parse: Callable[[InboxEntry], Sequence[ToldStatus]],
        policy: RetryPolicy,
        clock: Clock,
        chance: Callable[[], float],
        stored: Callable[[Sequence[Change]], None] = lambda changes: None,
        dropped: Callable[[int], None] = lambda statuses: None,
    ) -> None:
        self._begin = begin
        self._parse = parse
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._stored = stored
        self._dropped = dropped
        self.wake = Wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work off what comes until `stop`; what is left waits in the inbox for the next process."""
        ringer = asyncio.create_task(self.wake.ring_at(stop), name="deliveries.stop")
        backoff, again_at = _FIRST_BACKOFF, 0.0
        try:
            while not stop.is_set():
                self.wake.quiet()
                try:
                    worked, again = await self.work_off(entries=_ENTRIES)
                except Failure as failure:
                    log.warning("executor.deliveries_failed", reason=failure.reason)
                    await self.wake.wait(backoff)
                    backoff = min(backoff * 2, _LONGEST_SLEEP)
                    continue
                backoff = _FIRST_BACKOFF
                if again:
                    again_at = self._clock.boottime() + AGAIN_SECONDS * 1.2
                if worked < _ENTRIES:
                    left = again_at - self._clock.boottime()
                    await self.wake.wait(left if left > 0 else _LONGEST_SLEEP)
        finally:
            ringer.cancel()

    async def work_off(self, *, entries: int) -> tuple[int, int]:
        """Work off up to `entries`; return how many, and how many statuses have to wait. Poison is set aside alone."""
        try:
            return await self._batch(entries)
        except Failure:
            raise
        except Exception:
            if entries == 1:
                log.exception("executor.webhook_refused")
                return await self._refuse_one(), 0
            log.exception("executor.webhook_batch_failed")
        return await self.work_off(entries=1)

    async def _batch(self, entries: int) -> tuple[int, int]:
        changes: list[Change] = []
        async with self._begin() as tx:
            found = await tx.due_entries(entries=entries)
            if not found:
                return 0, 0
            told = [status for entry in found for status in self._parse(entry)]
            again: list[ToldStatus] = []
            dropped = 0
            statuses, foreign = await self._named(tx, told)
            dropped += foreign
            for wave in _waves(statuses):
                moved, late, unknown = await self._move(tx, wave)
                changes += moved
                again += late
                dropped += unknown
            await tx.finish(found, again=again)
        alarm_contradictions(changes)
        self._stored(changes)
        if dropped:
            self._dropped(dropped)
        return len(found), len(again)

    async def _named(self, tx: Inbox, told: Sequence[ToldStatus]) -> tuple[list[tuple[Status, ToldStatus]], int]:
        """Find whose attempts the statuses are about; return how many are nobody's."""
        owners = await tx.owners(sorted({status.account for status in told})) if told else {}
        result: list[tuple[Status, ToldStatus]] = []
        foreign = 0
        for status in told:
            attempt = parse_attempt_id(status.attempt_id)
            organizations = owners.get(status.account, ())
            if attempt is None or not organizations:
                foreign += 1
                continue
            intent_id, number = attempt
            for organization_id in organizations:
                about = Status(
                    key=JobKey(organization_id, intent_id),
                    attempt_number=number,
                    status=status.status,
                    provider_message_id=status.provider_message_id,
                    provider_time=status.provider_time,
                    received_at=status.received_at,
                    failure=status.failure,
                )
                result.append((about, status))
        return result, foreign

    async def _move(
        self, tx: Inbox, wave: Sequence[tuple[Status, ToldStatus]]
    ) -> tuple[list[Change], list[ToldStatus], int]:
        """Apply at most one status a job; return what changed, what has to wait, and how many are about nothing."""
        keys = [status.key for status, _ in wave]
        jobs = {job.key: (job, attempts) for job, attempts in await tx.lock_idle(keys)}
        absent = [key for key in keys if key not in jobs]
        busy = await tx.present(absent) if absent else set()
        now = self._clock.now()
        changes: list[tuple[Change, ToldStatus]] = []
        again: list[ToldStatus] = []
        unknown = 0
        for status, told in wave:
            if status.key not in jobs:
                if status.key in busy:
                    again.append(told)
                else:
                    unknown += 1
                continue
            job, attempts = jobs[status.key]
            stored = next((attempt for attempt in attempts if attempt.number == status.attempt_number), None)
            verdict = apply_status(job, stored, status, now=now, policy=self._policy, chance=self._chance())
            match verdict:
                case Change():
                    changes.append((verdict, told))
                case Wait():
                    again.append(told)
                case Nothing():
                    unknown += not verdict.known_attempt
        refused = await tx.apply([change for change, _ in changes])
        late = {id(change) for change in refused}
        again += [told for change, told in changes if id(change) in late]
        return [change for change, _ in changes if id(change) not in late], again, unknown

    async def _refuse_one(self) -> int:
        async with self._begin() as tx:
            found = await tx.due_entries(entries=1)
            await tx.finish(found, again=(), refused="UNREADABLE")
        return len(found)


def _waves(statuses: Iterable[tuple[Status, ToldStatus]]) -> Iterable[Sequence[tuple[Status, ToldStatus]]]:
    """Split statuses so that each wave has one a job, lower ranks first; repeats are left out."""
    by_key: dict[JobKey, dict[tuple[int, int], tuple[Status, ToldStatus]]] = defaultdict(dict)
    for status, told in statuses:
        by_key[status.key].setdefault((status.attempt_number, status.status.rank), (status, told))
    queues = [[found[order] for order in sorted(found)] for found in by_key.values()]
    for place in range(max(map(len, queues), default=0)):
        yield [queue[place] for queue in queues if place < len(queue)]
