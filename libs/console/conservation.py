"""Compare what gate and executor know of every intent with the events that audit has. Keeps a page at a time in memory.

Gate and executor are read before audit, so what is still on its way counts as missing: compare when all is at rest.
"""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from console.connection import Clients
from console.output import show, table
from kernel.ids import uuid7_at
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import gate_pb2, intent_pb2

_PAGE = 1_000
_CALL_SECONDS = 60.0
_MOST_NAMED = 1_000

# The event without which a state cannot have been reached.
_OF_INTENT = {
    intent_pb2.INTENT_STATE_QUEUED: "QUEUED",
    intent_pb2.INTENT_STATE_APPROVED: "APPROVED",
    intent_pb2.INTENT_STATE_BLOCKED: "BLOCKED",
    intent_pb2.INTENT_STATE_CANCELED: "CANCELED",
    intent_pb2.INTENT_STATE_EXPIRED: "EXPIRED",
}
_OF_JOB = {
    executor_pb2.JOB_STATE_SENT: "SENT",
    executor_pb2.JOB_STATE_DELIVERED: "DELIVERED",
    executor_pb2.JOB_STATE_READ: "READ",
    executor_pb2.JOB_STATE_FAILED: "FAILED",
    executor_pb2.JOB_STATE_UNKNOWN: "OUTCOME_UNKNOWN",
    executor_pb2.JOB_STATE_RETURNED: "RETURNED",
    executor_pb2.JOB_STATE_CANCELED: "CANCELED",
    executor_pb2.JOB_STATE_EXPIRED: "EXPIRED",
    executor_pb2.JOB_STATE_DEAD: "FAILED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about one intent that does not agree."""

    intent_id: str
    what: str


@dataclass(slots=True, kw_only=True)
class Conservation:
    """What a comparison came to; beyond 1,000 problems they are counted and not named."""

    intents: int = 0
    jobs: int = 0
    events: int = 0
    wrong: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is missing and nothing contradicts."""
        return self.wrong == 0

    def note(self, problems: Iterable[Problem]) -> None:
        """Add what does not agree."""
        for problem in problems:
            self.wrong += 1
            if len(self.problems) < _MOST_NAMED:
                self.problems.append(problem)


def compare(
    intent_id: str,
    intent: "intent_pb2.IntentState.ValueType | None",
    job: "executor_pb2.JobState.ValueType | None",
    events: Sequence[event_pb2.TalliedEvent],
) -> Iterator[Problem]:
    """Yield what of one intent does not agree."""
    sequences = Counter(event.sequence for event in events if event.sequence)  # an erasure has none
    types = {event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_MESSAGE_") for event in events}
    twice = sorted(sequence for sequence, times in sequences.items() if times > 1)
    missing = sorted(set(range(1, max(sequences, default=0) + 1)) - sequences.keys())
    if twice:
        yield Problem(intent_id=intent_id, what=f"two events claim sequence {_numbers(twice)}")
    if missing:
        yield Problem(intent_id=intent_id, what=f"no event of sequence {_numbers(missing)}")
    if intent is None:
        yield Problem(intent_id=intent_id, what="the executor has a job and the gate no intent")
    elif (needed := _OF_INTENT[intent]) not in types:
        yield Problem(intent_id=intent_id, what=f"the gate says {needed} and audit has no such event")
    if job is None and intent == intent_pb2.INTENT_STATE_APPROVED:
        yield Problem(intent_id=intent_id, what="the gate approved it and the executor has no job")
    if job is not None and (event := _OF_JOB.get(job)) is not None and event not in types:
        state = executor_pb2.JobState.Name(job).removeprefix("JOB_STATE_")
        yield Problem(intent_id=intent_id, what=f"the job is {state} and audit has no event {event}")


def _numbers(sequences: Sequence[int]) -> str:
    return ", ".join(map(str, sequences))


async def check_conservation(clients: Clients, *, days: int) -> Conservation:
    """Go through the organization's intents and jobs of the last `days`, and ask audit for the events of each page."""
    oldest = str(uuid7_at(datetime.now(UTC) - timedelta(days=days)))
    result = Conservation()
    jobs = _jobs(clients)
    job = await anext(jobs, None)
    async for intents, more in _intents(clients):
        last = max(oldest, intents[-1].intent_id if more else "")
        states: dict[str, executor_pb2.JobState.ValueType] = {}
        while job is not None and job.intent_id >= last:
            states[job.intent_id] = job.state
            job = await anext(jobs, None)
        known = {intent.intent_id: intent.state for intent in intents if intent.intent_id >= last}
        result.intents += len(known)
        result.jobs += len(states)
        await _compare_page(clients, result, known, states)
        if last == oldest:
            break
    return result


async def _compare_page(
    clients: Clients,
    result: Conservation,
    intents: "dict[str, intent_pb2.IntentState.ValueType]",
    jobs: "dict[str, executor_pb2.JobState.ValueType]",
) -> None:
    ids = sorted(intents.keys() | jobs.keys())
    for start in range(0, len(ids), _PAGE):
        request = event_pb2.TallyIntentsRequest(intent_ids=ids[start : start + _PAGE])
        answer = await clients.events.TallyIntents(request, timeout=_CALL_SECONDS)
        for tally in answer.tallies:
            result.events += len(tally.events)
            one = tally.intent_id
            result.note(compare(one, intents.get(one), jobs.get(one), tally.events))


async def _intents(clients: Clients) -> AsyncIterator[tuple[Sequence[intent_pb2.MessageIntent], bool]]:
    """Yield the organization's intents in pages, and whether more come."""
    page_token = ""
    while True:
        request = gate_pb2.ListIntentsRequest(page_size=_PAGE, page_token=page_token)
        page = await clients.gate.ListIntents(request, timeout=_CALL_SECONDS)
        page_token = page.next_page_token
        yield page.intents, bool(page_token)
        if not page_token:
            return


async def _jobs(clients: Clients) -> AsyncIterator[executor_pb2.Job]:
    page_token = ""
    while True:
        request = executor_pb2.ListJobsRequest(page_size=_PAGE, page_token=page_token)
        page = await clients.executor.ListJobs(request, timeout=_CALL_SECONDS)
        for job in page.jobs:
            yield job
        page_token = page.next_page_token
        if not page_token:
            return


async def conserve(clients: Clients, *, days: int, as_json: bool) -> None:
    """Show the comparison; exit status 1 if anything is missing or contradicts."""
    found = await check_conservation(clients, days=days)
    answer: dict[str, object] = {
        "intents": found.intents,
        "jobs": found.jobs,
        "events": found.events,
        "wrong": found.wrong,
        "problems": [{"intent_id": problem.intent_id, "what": problem.what} for problem in found.problems],
    }
    title = f"{found.intents} intents, {found.jobs} jobs, {found.events} events: {found.wrong} do not agree"
    rows = [(problem.intent_id, problem.what) for problem in found.problems]
    show(answer, table(title, ("intent", "what"), rows), as_is=as_json)
    if not found.holds:
        sys.exit(1)
