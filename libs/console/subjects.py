"""What people may ask for: to be erased, and all that is held about them. Calls the API and shows its answers.

A number comes from a prompt or from standard input and never from an argument, which shells and process lists keep.
"""

import sys

import typer
from google.protobuf.json_format import MessageToDict

from console.connection import Clients
from console.output import as_json as json_of
from console.output import show, table
from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import timeline_pb2
from whatlead.gate.v1 import subject_pb2

_CALL_SECONDS = 30.0
_PAGE = 100


class NoNumber(Exception):
    """Tell that no number was given, and how to give one."""


def read_number(*, confirm: str = "") -> str:
    """Return the number from a prompt on a terminal, else from the first line of standard input."""
    if sys.stdin.isatty():
        number: str = typer.prompt("Number, as +5511987654321", err=True).strip()
        if confirm:
            typer.confirm(confirm, abort=True, err=True)
    else:
        number = sys.stdin.readline().strip()
    if not number:
        raise NoNumber("no number was given: type it when asked, or pipe a file that holds it: … < number.txt")
    return number


async def erase(clients: Clients, number: str, *, recipient_id: str, reason: str, as_json: bool) -> None:
    """Erase a person, by number or random id, and show what was done and what is still to be done."""
    request = subject_pb2.EraseSubjectRequest(
        request_id=str(uuid7()), recipient=number, recipient_id=recipient_id, reason=reason
    )
    answer = await clients.subjects.EraseSubject(request, timeout=_CALL_SECONDS)
    pending = f"{answer.pending}: the executor is asked until it has forgotten them" if answer.pending else "0"
    row = (answer.intents, answer.canceled, pending)
    show(answer, table("erased", ("intents", "canceled", "pending"), [row]), as_is=as_json)


async def export(clients: Clients, number: str, *, reason: str) -> None:
    """Print all that is held about a person as one JSON document, with the timeline of each intent."""
    request = subject_pb2.ExportSubjectRequest(recipient=number, reason=reason, page_size=_PAGE)
    intents: list[dict[str, object]] = []
    while True:
        page = await clients.subjects.ExportSubject(request, timeout=_CALL_SECONDS)
        for exported in page.intents:
            told = MessageToDict(exported, preserving_proto_field_name=True)
            intents.append(told | {"timeline": await _timeline(clients, exported.intent.intent_id)})
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    del page.intents[:]
    print(json_of(MessageToDict(page, preserving_proto_field_name=True) | {"intents": intents}))


async def _timeline(clients: Clients, intent_id: str) -> list[dict[str, object]]:
    """Return an intent's own events; none if audit has not heard of it yet."""
    request = timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id)
    try:
        life = await clients.timelines.GetMessageIntentTimeline(request, timeout=_CALL_SECONDS)
    except Failure as failure:
        if failure.kind is not Kind.NOT_FOUND:
            raise
        return []
    return [MessageToDict(entry, preserving_proto_field_name=True) for entry in life.entries if not entry.context]
