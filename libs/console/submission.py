"""Submit leads in batches and keep one result a row. Repeating it is safe: the gate knows a row by its request id."""

import csv
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from console.connection import Clients
from console.leads import Lead
from whatlead.gate.v1 import gate_pb2, intent_pb2

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one row: APPROVED, QUEUED or BLOCKED with a reason, or ERROR with what to correct."""

    line: int
    lead_id: str
    intent_id: str
    outcome: str
    reason: str


def _intent(lead: Lead, run: str, hold_if_paused: bool) -> intent_pb2.NewIntent:
    return intent_pb2.NewIntent(
        request_id=f"{run}.{lead.lead_id}",
        reference=lead.lead_id,
        campaign_id=lead.campaign_id,
        instance_id=lead.instance_id,
        category=intent_pb2.Category.Value(f"CATEGORY_{lead.category}"),
        recipient=lead.phone,
        template=intent_pb2.Template(name=lead.template, language="pt_BR", parameters=[lead.name] if lead.name else []),
        hold_if_paused=hold_if_paused,
    )


def _row_result(lead: Lead, result: gate_pb2.SubmitResult) -> RowResult:
    if result.HasField("error"):
        return RowResult(
            line=lead.line, lead_id=lead.lead_id, intent_id="", outcome="ERROR", reason=result.error.message
        )
    submitted = result.submitted
    return RowResult(
        line=lead.line,
        lead_id=lead.lead_id,
        intent_id=submitted.intent_id,
        outcome=intent_pb2.Outcome.Name(submitted.decision.outcome).removeprefix("OUTCOME_"),
        reason=submitted.decision.reason,
    )


async def submit(
    clients: Clients, leads: Sequence[Lead], *, run: str, hold_if_paused: bool = False
) -> AsyncIterator[list[RowResult]]:
    """Submit `leads` and yield the results batch by batch. `run` and a lead's id together are its request id."""
    for start in range(0, len(leads), BATCH):
        batch = leads[start : start + BATCH]
        request = gate_pb2.SubmitIntentsRequest(intents=[_intent(lead, run, hold_if_paused) for lead in batch])
        response = await clients.gate.SubmitIntents(request, timeout=60)
        yield [_row_result(lead, result) for lead, result in zip(batch, response.results, strict=True)]


class ResultFile:
    """A CSV file with one line a submitted row; what it holds already need not be submitted again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done = {result.lead_id: result for result in self._read()}

    def _read(self) -> Iterator[RowResult]:
        if not self._path.exists():
            return
        with self._path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if None not in row.values() and row["outcome"] != "ERROR":
                    yield RowResult(
                        line=int(row["line"]),
                        lead_id=row["lead_id"],
                        intent_id=row["intent_id"],
                        outcome=row["outcome"],
                        reason=row["reason"],
                    )

    def append(self, results: Sequence[RowResult]) -> None:
        """Add results and flush them."""
        with self._path.open("a+b") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 1))
            cut_off = size > 0 and file.read(1) != b"\n"
        with self._path.open("a", newline="", encoding="utf-8") as file:
            if cut_off:
                file.write("\n")
            writer = csv.DictWriter(file, [field.name for field in fields(RowResult)])
            if not size:
                writer.writeheader()
            writer.writerows(map(asdict, results))
