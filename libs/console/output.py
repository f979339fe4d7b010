"""Show an answer: a table on a terminal, JSON in a pipe. Knows nothing of what is shown."""

import sys
from collections.abc import Iterable, Sequence

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text


def on_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def as_json(answer: Message | dict[str, object] | list[dict[str, object]]) -> str:
    """Return an answer as indented JSON, with the contract's own field names."""
    data = MessageToDict(answer, preserving_proto_field_name=True) if isinstance(answer, Message) else answer
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()


def plain(text: str) -> str:
    """Return text with a sign in place of what would steer a terminal or turn the writing around."""
    return "".join(
        sign if sign.isprintable() else " " if sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text
    )


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a plain table; what stands in it was written by others and is shown as it is."""
    made = Table(title=Text(plain(title)), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(str(cell))) for cell in row))
    return made


def show(answer: Message | dict[str, object], *tables: RenderableType, as_is: bool = False) -> None:
    """Print `tables` on a terminal; the answer as JSON in a pipe, or where `as_is` asks for it."""
    if as_is or not on_terminal():
        print(as_json(answer))
        return
    console = Console()
    for one in tables:
        console.print(one)
