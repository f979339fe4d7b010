"""What an operator does with a running system: submit and ask. Calls the API and shows its answers."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from console.connection import Clients
from console.leads import read_leads
from console.output import on_terminal, plain, show, table
from console.submission import ResultFile, submit
from console.timeline_page import page
from console.views import intent_tables, stop_tables
from console.waterfall import waterfall
from kernel.errors import Violation, invalid, not_found
from whatlead.audit.v1 import timeline_pb2
from whatlead.gate.v1 import gate_pb2

_CALL_SECONDS = 30.0


async def submit_file(
    clients: Clients, file: Path, *, run: str, country: str, hold_if_paused: bool, results: Path
) -> None:
    """Submit the rows of `file` that have no result yet, and sum up. Raises BrokenFile before anything is submitted."""
    leads = read_leads(file, country)
    kept = ResultFile(results)
    waiting = [lead for lead in leads if lead.lead_id not in kept.done]
    counts: Counter[tuple[str, str]] = Counter((row.outcome, row.reason) for row in kept.done.values())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("submitting", total=len(leads), completed=len(leads) - len(waiting))
        async for batch in submit(clients, waiting, run=run, hold_if_paused=hold_if_paused):
            kept.append(batch)
            counts.update((row.outcome, row.reason) for row in batch)
            progress.update(task, advance=len(batch))
    rows = [(outcome, reason or "-", count) for (outcome, reason), count in counts.most_common()]
    answer: dict[str, object] = {
        "rows": len(leads),
        "results": str(results),
        "outcomes": [{"outcome": outcome, "reason": reason, "rows": count} for outcome, reason, count in rows],
    }
    show(answer, table(f"{len(leads)} rows, one result each in {results}", ("outcome", "reason", "rows"), rows))


async def find_intent(clients: Clients, name: str) -> str:
    """Return the id of the intent that `name` means: an intent id, a request id, or the newest with that reference."""
    try:
        return str(UUID(name))
    except ValueError:
        by_reference = gate_pb2.ListIntentsRequest(reference=name, page_size=1)
        found = await clients.gate.ListIntents(by_reference, timeout=_CALL_SECONDS)
        if found.intents:
            return found.intents[0].intent_id
    by_request = await clients.gate.GetIntent(gate_pb2.GetIntentRequest(request_id=name), timeout=_CALL_SECONDS)
    if not by_request.intent.intent_id:
        raise not_found("intent")
    return by_request.intent.intent_id


async def explain(clients: Clients, name: str, *, as_json: bool) -> None:
    """Show an intent's answer in one line and the rules of its newest decision."""
    intent_id = await find_intent(clients, name)
    intent, life = await asyncio.gather(
        clients.gate.GetIntent(gate_pb2.GetIntentRequest(intent_id=intent_id), timeout=_CALL_SECONDS),
        clients.timelines.GetMessageIntentTimeline(
            timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id), timeout=_CALL_SECONDS
        ),
    )
    if on_terminal() and not as_json:
        Console().print(Text(f"{plain(life.answer)}\n", style="bold"))
    show(intent, *intent_tables(intent.intent), as_is=as_json)


async def timeline(clients: Clients, name: str, *, as_json: bool, html: Path | None, zone: tzinfo | None) -> None:
    """Show everything that happened to an intent, or write it as a page."""
    request = timeline_pb2.GetMessageIntentTimelineRequest(intent_id=await find_intent(clients, name))
    life = await clients.timelines.GetMessageIntentTimeline(request, timeout=_CALL_SECONDS)
    now = datetime.now(UTC)
    if html is not None:
        try:
            html.write_text(page(life, now=now, zone=zone), encoding="utf-8")
        except OSError as error:
            raise invalid(
                Violation(field="--html", description=f"{html} cannot be written: {error.strerror}")
            ) from None
        print(html)
        return
    show(life, waterfall(life, width=Console().width, now=now, zone=zone), as_is=as_json)


async def stopped(clients: Clients, pause: timeline_pb2.GetPauseTimelineRequest, *, as_json: bool) -> None:
    """Show who paused and when sending really stopped."""
    stop = await clients.timelines.GetPauseTimeline(pause, timeout=_CALL_SECONDS)
    show(stop, *stop_tables(stop), as_is=as_json)
