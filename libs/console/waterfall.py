"""An intent's timeline as a waterfall on a terminal. Makes no calls and decides nothing."""

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo

from rich.console import Group
from rich.table import Table
from rich.text import Text

from console.lifeline import Bar, Line, Mark, bars, clock, event_name, facts, first_day, lines, moment, took
from console.output import plain
from whatlead.audit.v1 import timeline_pb2

_STYLES = {
    "decided": "cyan",
    "queued": "yellow",
    "waiting": "yellow",
    "held": "red",
    "attempt": "blue",
    "provider": "magenta",
    "delivery": "green",
    "reading": "green",
    "pause": "dim red",
    "cooldown": "dim red",
}
_LINES = {Mark.OWN: "", Mark.CONTEXT: "dim", Mark.PENDING: "yellow", Mark.OMITTED: "yellow"}
_NARROW = 120
_FIXED = 38


def waterfall(
    life: timeline_pb2.GetMessageIntentTimelineResponse, *, width: int, now: datetime, zone: tzinfo | None = None
) -> Group:
    """Draw a timeline `width` columns wide: the answer, a bar a phase, a line an event."""
    drawn = bars(life, now=now)
    day = first_day(life, otherwise=now)
    zone_name = day.astimezone(zone).tzname() or "local time"
    return Group(
        Text(plain(life.answer), style="bold"),
        Text(plain("  ".join(f"{name} {value}" for name, value in facts(life))), style="dim"),
        Text(f"{day.astimezone(zone):%Y-%m-%d}, times in {zone_name}; ~ is context, > goes on\n", style="dim"),
        _phases(drawn, width=width, zone=zone, day=day),
        Text(),
        _entries(list(lines(life)), width=width, zone=zone, day=day),
        *([Text("more pauses or cooldowns overlapped it: the newest are shown")] if life.context_omitted else []),
    )


def _phases(drawn: Sequence[Bar], *, width: int, zone: tzinfo | None, day: datetime) -> Table:
    room = max(10, int((width - _FIXED) * 0.5))
    table = _table("phase", "from", "took", "", "what")
    for bar in drawn:
        style = _STYLES.get(bar.kind, "")
        table.add_row(
            Text(f"{'~ ' if bar.context else ''}{bar.kind}", style=style),
            clock(bar.begun_at, zone, day=day),
            f"{took(bar.length)}{'>' if bar.lasts else ''}",
            Text(_drawn(bar, room), style=style),
            Text(plain(bar.label), style="dim" if bar.context else "", overflow="fold"),
        )
    table.columns[2].justify = "right"
    table.columns[3].no_wrap = True
    return table


def _drawn(bar: Bar, room: int) -> str:
    start = min(room - 1, math.floor(bar.left * room))
    end = max(start + 1, min(room, math.ceil(bar.right * room)))
    cells = ["·"] * room
    cells[start:end] = ("▒" if bar.context else "█") * (end - start)
    if bar.from_before:
        cells[start] = "<"
    if bar.beyond or bar.lasts:
        cells[end - 1] = ">"
    return "".join(cells)


def _entries(told: Sequence[Line], *, width: int, zone: tzinfo | None, day: datetime) -> Table:
    wide = width >= _NARROW
    table = _table("#", "when", "after", *(["event"] if wide else []), "what")
    for line in told:
        style = _LINES[line.mark]
        entry = line.entry
        when = clock(moment(entry.event.occurred_at), zone, day=day) if entry is not None else ""
        after = (
            took(entry.since_previous.ToTimedelta()) if entry is not None and entry.HasField("since_previous") else ""
        )
        name = [Text(event_name(entry.event) if entry is not None else line.mark.value.upper(), style=style)]
        table.add_row(
            Text(line.number, style=style),
            Text(when, style=style),
            Text(after, style=style),
            *(name if wide else []),
            Text(plain(line.what), style=style, overflow="fold"),
        )
    table.columns[2].justify = "right"
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column != "what")
    return table
