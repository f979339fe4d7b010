"""Show an answer anew every 2 s: in place on a terminal, as a line of JSON in a pipe. Knows not what it shows."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from console.output import on_terminal
from kernel.errors import Failure, Kind

_SECONDS = 2.0

Look = Callable[[], Awaitable[tuple[Message | dict[str, object], list[Table]]]]


async def watch(look: Look, *, as_json: bool) -> None:
    """Show what `look` returns until canceled; a service that is away for a while leaves the last picture standing."""
    if as_json or not on_terminal():
        while True:
            answer, _ = await look()
            data = MessageToDict(answer, preserving_proto_field_name=True) if isinstance(answer, Message) else answer
            print(orjson.dumps(data).decode(), flush=True)
            await asyncio.sleep(_SECONDS)
    _, tables = await look()
    note = ""
    console = Console()
    with nullcontext() if console.is_dumb_terminal else Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            picture = Group(*tables, f"every {_SECONDS:g} s; Ctrl-C ends it {note}")
            if live is None:  # a terminal that cannot move its cursor: one picture below the other
                console.print(picture)
            else:
                live.update(picture, refresh=True)
            await asyncio.sleep(_SECONDS)
            try:
                _, tables = await look()
                note = ""
            except Failure as failure:
                if failure.kind is not Kind.UNAVAILABLE:
                    raise
                note = f"— as it was before: {failure}"
