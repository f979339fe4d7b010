"""An intent's timeline as one self-contained page: no script, no other file, every word escaped by the tree's writer.

What it shows was written by callers and operators, so the page also forbids itself scripts and loads.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from importlib import resources
from xml.etree.ElementTree import Element, SubElement, tostring

from console.lifeline import Bar, Line, Mark, bars, clock, event_name, facts, first_day, lines, moment, took
from console.output import plain
from whatlead.audit.v1 import timeline_pb2

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LAST_PLACE = 0.994


def page(life: timeline_pb2.GetMessageIntentTimelineResponse, *, now: datetime, zone: tzinfo | None = None) -> str:
    """Write the page: the answer, a bar a phase, a line an event, with everything a screen reader needs in tables."""
    drawn = bars(life, now=now)
    day = first_day(life, otherwise=now)
    html = Element("html", lang="en")
    _head(html, life)
    main = SubElement(SubElement(html, "body"), "main")
    _text(main, "h1", life.answer)
    named = SubElement(main, "dl")
    told = [*facts(life), ("written", f"{now.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}")]
    for name, value in told:
        pair = SubElement(named, "div")
        _text(pair, "dt", name)
        _text(pair, "dd", value)
    caption = f"{day.astimezone(zone):%Y-%m-%d}, times in {day.astimezone(zone).tzname()}"
    _phases(main, drawn, caption, zone=zone, day=day)
    _events(main, list(lines(life)), caption, zone=zone, day=day)
    if life.context_omitted:
        _text(main, "p", "More pauses or cooldowns overlapped its life than are shown: these are the newest.")
    return "<!doctype html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def _head(html: Element, life: timeline_pb2.GetMessageIntentTimelineResponse) -> None:
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _text(head, "title", f"{life.intent_id}: {life.answer}")
    SubElement(head, "style").text = (resources.files("console") / "timeline_page.css").read_text(encoding="utf-8")


def _phases(main: Element, drawn: Sequence[Bar], caption: str, *, zone: tzinfo | None, day: datetime) -> None:
    body = _table(main, "What it went through", caption, ("phase", "took", "on the axis", "from", "what"))
    for bar in drawn:
        row = SubElement(body, "tr", {"class": "context" if bar.context else ""})
        _text(row, "th", f"{bar.kind} (context)" if bar.context else bar.kind, scope="row")
        _text(row, "td", f"{took(bar.length)}{', still' if bar.lasts else ''}", **{"class": "number"})
        axis = SubElement(SubElement(row, "td", {"class": "axis"}), "div", {"class": "track", "aria-hidden": "true"})
        left = min(bar.left, _LAST_PLACE)
        place = f"left:{100 * left:.3f}%;width:{100 * (bar.right - left):.3f}%"
        SubElement(
            axis, "div", {"class": f"bar {bar.kind}{' beyond' if bar.beyond or bar.lasts else ''}", "style": place}
        )
        _time(row, bar.begun_at, zone=zone, day=day)
        _text(row, "td", bar.label, **{"class": "what"})


def _events(main: Element, told: Sequence[Line], caption: str, *, zone: tzinfo | None, day: datetime) -> None:
    columns = ("#", "when", "after", "what", "event", "reason", "by", "instance", "other trace")
    intents_trace = next((line.entry.event.trace_id for line in told if line.entry and line.mark is Mark.OWN), "")
    body = _table(main, "Everything that happened", caption, columns)
    for line in told:
        row = SubElement(body, "tr", {"class": line.mark.value})
        _text(row, "th", "context" if line.mark is Mark.CONTEXT else line.number, scope="row")
        entry = line.entry
        if entry is None:
            _text(row, "td", line.mark.value, colspan="2")
            _text(row, "td", line.what, colspan="6")
            continue
        event = entry.event
        _time(row, moment(event.occurred_at), zone=zone, day=day)
        after = took(entry.since_previous.ToTimedelta()) if entry.HasField("since_previous") else ""
        _text(row, "td", after, **{"class": "number"})
        _text(row, "td", line.what, **{"class": "what"})
        _text(row, "td", event_name(event), **{"class": "word name"})
        trace = "" if event.trace_id == intents_trace else event.trace_id
        for value in (event.reason, event.actor, event.instance_id, trace):
            _text(row, "td", value, **{"class": "word"})


def _table(main: Element, title: str, caption: str, columns: Sequence[str]) -> Element:
    _text(main, "h2", title)
    table = SubElement(SubElement(main, "div", {"class": "scroll", "tabindex": "0"}), "table")
    _text(table, "caption", caption)
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in columns:
        _text(head, "th", column, scope="col")
    return SubElement(table, "tbody")


def _time(row: Element, at: datetime, *, zone: tzinfo | None, day: datetime) -> None:
    cell = SubElement(row, "td", {"class": "number"})
    _text(cell, "time", clock(at, zone, day=day), datetime=at.isoformat())


def _text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = plain(text)
