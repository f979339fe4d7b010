"""Store changes of jobs: one statement a batch, with what they tell others in the same commit. Decides nothing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.database import load_queries
from chassis.outbox import PostingTransaction
from executor.domain.change import Change, possible
from executor.domain.job import Attempt, Job, JobKey, TakenJob
from executor.infrastructure.kinds import by_kind
from executor.infrastructure.parcels import Telling
from executor.infrastructure.rows import attempt_of, job_of
from whatlead.audit.v1 import event_pb2
from whatlead.gate.v1 import gate_pb2, signal_pb2

AUDIT, GATE_RETURNS, GATE_SIGNALS = "audit", "gate_returns", "gate_signals"
queries = load_queries("executor")


class Ledger:
    """Jobs within one transaction."""

    def __init__(self, tx: PostingTransaction) -> None:
        self.tx = tx

    async def apply(self, asked: Sequence[Change], *, closing: Sequence[UUID] = ()) -> Sequence[Change]:
        """Store changes with what they tell and forget leases; give back those whose job has moved meanwhile."""
        if not asked and not closing:
            return ()
        changes = [possible(change) for change in asked]
        attempts = [change.attempt for change in changes]
        rows = await self.tx.fetch(
            queries.write_changes,
            **by_kind(_ALIKE, map(_alike, changes)),
            intent_ids=[change.job.intent_id for change in changes],
            retries_in=[change.retry_in for change in changes],
            begans_at=[attempt and attempt.began_at for attempt in attempts],
            endeds_at=[attempt and attempt.ended_at for attempt in attempts],
            provider_message_ids=[attempt and attempt.provider_message_id for attempt in attempts],
            closing=list(closing),
        )
        telling = Telling()
        stored = set()
        for row in rows:
            stored.add(row.place)
            telling.change(changes[row.place - 1], sequence=row.sequence, next_attempt_at=row.next_attempt_at)
        self.tell(telling)
        if len(stored) == len(changes):
            return ()
        return [change for place, change in enumerate(asked, 1) if place not in stored]

    async def lock_leased(self, tokens: Sequence[UUID]) -> Sequence[Job]:
        """Return the jobs still SENDING under these leases, locked."""
        return [job_of(row) for row in await self.tx.fetch(queries.lock_leased_jobs, tokens=list(tokens))]

    async def lock(self, keys: Sequence[JobKey]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        """Return these jobs, locked, with their attempts."""
        return await self.with_attempts(await self.tx.fetch(queries.lock_jobs, **named(keys)))

    async def lock_idle(self, keys: Sequence[JobKey]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        """Return those of these jobs that nobody else has locked, locked, with their attempts."""
        return await self.with_attempts(await self.tx.fetch(queries.lock_idle_jobs, **named(keys)))

    async def with_attempts(self, rows: Sequence[Sequence[Any]]) -> Sequence[tuple[Job, tuple[Attempt, ...]]]:
        """Read jobs from their rows and add their attempts."""
        jobs = [job_of(row) for row in rows]
        attempts: dict[JobKey, list[Attempt]] = {job.key: [] for job in jobs}
        if jobs:
            for row in await self.tx.fetch(queries.list_attempts, **named(list(attempts))):
                attempts[JobKey(row.organization_id, row.intent_id)].append(attempt_of(row))
        return [(job, tuple(attempts[job.key])) for job in jobs]

    def tell(self, telling: Telling) -> None:
        """Post what a transaction tells others; it leaves with the commit."""
        if telling.events:
            request = event_pb2.RecordEventsRequest(events=telling.events)
            self.tx.post(AUDIT, request.SerializeToString(), len(telling.events))
        if telling.returns:
            returned = gate_pb2.ReturnIntentsRequest(intents=telling.returns)
            self.tx.post(GATE_RETURNS, returned.SerializeToString(), len(telling.returns))
        if signals := telling.signals():
            reported = signal_pb2.ReportSignalsRequest(signals=signals)
            self.tx.post(GATE_SIGNALS, reported.SerializeToString(), len(signals))

    def tell_started(self, taken: Sequence[tuple[TakenJob, int]]) -> None:
        """Tell that sends started."""
        telling = Telling()
        for sent, sequence in taken:
            job = sent.job
            if job.taken_at is None:
                raise ValueError("a taken job has the time it was taken")
            telling.started(job, taken_at=job.taken_at, sequence=sequence)
        self.tell(telling)


def named(keys: Sequence[JobKey]) -> dict[str, object]:
    """Return the binds that name jobs."""
    return {
        "organization_ids": [key.organization_id for key in keys],
        "intent_ids": [key.intent_id for key in keys],
    }


def _array(identifiers: Sequence[UUID]) -> str | None:
    """Return an array of uuids as one text, since arrays of arrays have no ragged form; none at all is NULL."""
    return "{" + ",".join(map(str, identifiers)) + "}" if identifiers else None


_ALIKE = (
    "organization_ids",
    "expected_states",
    "expected_attempts",
    "expected_tokens",
    "states",
    "reasons",
    "tries",
    "retries_by",
    "helds_by",
    "facts",
    "numbers",
    "takens_at",
    "outcomes",
    "attempt_reasons",
    "provider_codes",
    "control_versions",
    "platform_versions",
    "deliveries",
    "contradictions",
)
_NO_ATTEMPT = (None,) * 9


def _alike(change: Change) -> tuple[object, ...]:
    """Return what a change has in common with many others of its batch."""
    job, attempt = change.job, change.attempt
    return (
        job.organization_id,
        job.state,
        job.attempt,
        job.lease_token,
        change.state,
        change.reason,
        change.tries,
        change.retry_by,
        _array(change.held_by),
        len(change.facts),
        *(_NO_ATTEMPT if attempt is None else _attempt_alike(attempt)),
    )


def _attempt_alike(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.number,
        attempt.taken_at,
        attempt.outcome,
        attempt.reason,
        attempt.provider_code,
        attempt.control_version,
        attempt.platform_version,
        attempt.delivery,
        attempt.contradiction,
    )
