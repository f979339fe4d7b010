"""Account for every row of a campaign: what gate and executor say, beside what the provider saw. Shows nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import orjson

from console.connection import Clients
from console.submission import RowResult
from whatlead.audit.v1 import event_pb2
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import gate_pb2, intent_pb2

_PAGE = 1000
_CALL_SECONDS = 60.0
_LATE_SECONDS = 0.1
_SENT_STATES = frozenset({"SENT", "DELIVERED", "READ"})
_OPEN_STATES = frozenset({"READY", "SENDING", "RETURNED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where every row of a campaign is, and what the provider took."""

    rows: int
    errors: int
    blocked: Counter[str]
    jobs: Counter[str]
    delivery_failures: int
    still_queued: int
    accepted_by_provider: int
    accepted_twice: int
    accepted_unknown: int
    taken_unexpectedly: int

    @property
    def sent(self) -> int:
        """Taken by the provider, delivery failures included."""
        return sum(self.jobs[state] for state in _SENT_STATES) + self.delivery_failures

    @property
    def failed(self) -> int:
        """Refused for good before anything was taken."""
        return self.jobs["FAILED"] - self.delivery_failures

    @property
    def settled(self) -> bool:
        """Whether nothing waits or is on its way."""
        return self.still_queued == 0 and not any(self.jobs[state] for state in _OPEN_STATES)

    def problems(self) -> list[str]:
        """Return each thing that does not add up."""
        accounted = (
            self.errors
            + sum(self.blocked.values())
            + self.sent
            + self.failed
            + self.jobs["DEAD"]
            + self.jobs["UNKNOWN"]
            + self.jobs["CANCELED"]
            + self.jobs["EXPIRED"]
        )
        checks = (
            (self.settled, f"{self.still_queued} intents are queued and jobs are open: {dict(self.jobs)}"),
            (accounted == self.rows, f"{accounted} of {self.rows} rows are accounted for"),
            (self.accepted_twice == 0, f"the provider took {self.accepted_twice} intents twice"),
            (
                self.accepted_by_provider == self.sent + self.accepted_unknown,
                f"the provider took {self.accepted_by_provider}; {self.sent} sent, {self.accepted_unknown} unknown",
            ),
            (
                self.taken_unexpectedly == 0,
                f"the provider took {self.taken_unexpectedly} that are not counted as sent",
            ),
        )
        return [problem for holds, problem in checks if not holds]


async def list_jobs(clients: Clients) -> list[executor_pb2.Job]:
    """Return every job of the organization."""
    jobs: list[executor_pb2.Job] = []
    page_token = ""
    while True:
        request = executor_pb2.ListJobsRequest(page_size=_PAGE, page_token=page_token)
        page = await clients.executor.ListJobs(request, timeout=_CALL_SECONDS)
        jobs.extend(page.jobs)
        page_token = page.next_page_token
        if not page_token:
            return jobs


async def count_intents(clients: Clients, state: intent_pb2.IntentState.ValueType) -> int:
    """Return how many of the organization's intents are in `state`."""
    count, page_token = 0, ""
    while True:
        request = gate_pb2.ListIntentsRequest(page_size=_PAGE, page_token=page_token, state=state)
        page = await clients.gate.ListIntents(request, timeout=_CALL_SECONDS)
        count += len(page.intents)
        page_token = page.next_page_token
        if not page_token:
            return count


async def list_events(
    clients: Clients, types: Sequence[event_pb2.EventType.ValueType]
) -> list[event_pb2.OperationalEvent]:
    """Return every event of these types, newest first."""
    events: list[event_pb2.OperationalEvent] = []
    page_token = ""
    while True:
        request = event_pb2.ListEventsRequest(types=types, page_size=_PAGE, page_token=page_token)
        page = await clients.events.ListEvents(request, timeout=_CALL_SECONDS)
        events.extend(stored.event for stored in page.events)
        page_token = page.next_page_token
        if not page_token:
            return events


async def _json_lines(url: str) -> list[dict[str, object]]:
    async with httpx.AsyncClient(timeout=_CALL_SECONDS) as http:
        answer = await http.get(url)
        answer.raise_for_status()
        return [orjson.loads(line) for line in answer.content.splitlines() if line]


def _intent_of(attempt_id: object) -> str:
    return str(attempt_id).rpartition(".")[0]


async def take_account(clients: Clients, results: Sequence[RowResult], simulator_url: str) -> Account:
    """Ask gate, executor and the simulator where every submitted row is now."""
    jobs = await list_jobs(clients)
    states = {job.intent_id: executor_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_") for job in jobs}
    failed = {intent_id for intent_id, state in states.items() if state == "FAILED"}
    mine = {result.intent_id for result in results}
    accepted = Counter(
        intent
        for line in await _json_lines(f"{simulator_url}/_simulator/accepted")
        if (intent := _intent_of(line["attempt_id"])) in mine
    )
    taken = {intent: states.get(intent, "MISSING") for intent in accepted}
    expected = _SENT_STATES | {"FAILED", "UNKNOWN"}
    return Account(
        rows=len(results),
        errors=sum(result.outcome == "ERROR" for result in results),
        blocked=Counter(result.reason for result in results if result.outcome == "BLOCKED"),
        jobs=Counter(states.values()),
        delivery_failures=len(failed & accepted.keys()),
        still_queued=await count_intents(clients, intent_pb2.INTENT_STATE_QUEUED),
        accepted_by_provider=accepted.total(),
        accepted_twice=sum(count > 1 for count in accepted.values()),
        accepted_unknown=sum(state == "UNKNOWN" for state in taken.values()),
        taken_unexpectedly=sum(state not in expected for state in taken.values()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceCheck:
    """How many sends began, and how many reached the provider late, while a fence stood."""

    begun_inside: int
    arrived_inside: int
    observed: int

    @property
    def holds(self) -> bool:
        return self.begun_inside == 0 and self.arrived_inside == 0 and self.observed > 0


def _began(events: Iterable[event_pb2.OperationalEvent]) -> list[float]:
    return [
        event.attempt.began_at.ToDatetime(UTC).timestamp() for event in events if event.attempt.HasField("began_at")
    ]


async def check_fence(clients: Clients, simulator_url: str, *, fenced_at: datetime, resumed_at: datetime) -> FenceCheck:
    """Count the sends whose last check passed between FENCED and the request to resume (executors' hook time)."""
    outcomes = (
        event_pb2.EVENT_TYPE_MESSAGE_SENT,
        event_pb2.EVENT_TYPE_MESSAGE_FAILED,
        event_pb2.EVENT_TYPE_MESSAGE_RETRY_SCHEDULED,
        event_pb2.EVENT_TYPE_MESSAGE_OUTCOME_UNKNOWN,
    )
    began = _began(await list_events(clients, outcomes))
    start, end = fenced_at.timestamp(), resumed_at.timestamp()
    arrived = [float(str(line["arrived_at"])) for line in await _json_lines(f"{simulator_url}/_simulator/arrivals")]
    return FenceCheck(
        begun_inside=sum(start <= at < end for at in began),
        arrived_inside=sum(start + _LATE_SECONDS <= at < end for at in arrived),
        observed=len(began),
    )
