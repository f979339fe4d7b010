"""A timeline for people: bars on one axis, gaps in their place, the same words on a terminal and on a page."""

import io
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from console.lifeline import bars, clock, lines, took
from console.output import table
from console.timeline_page import page
from console.waterfall import waterfall
from whatlead.audit.v1 import event_pb2, timeline_pb2

T = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
NOW = T + timedelta(minutes=1)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
HOSTILE = '</td><script>document.title="ran"</script><img src=x onerror=alert(1)> [/bold] \x1b]0;own\x07 \u202eevil'


def at(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(T + timedelta(seconds=seconds))
    return stamp


def phase(kind: str, start: float, end: float | None, label: str = "") -> timeline_pb2.Phase:
    return timeline_pb2.Phase(
        kind=timeline_pb2.PhaseKind.Value(f"PHASE_KIND_{kind}"),
        start_time=at(start),
        end_time=None if end is None else at(end),
        label=label,
    )


def entry(kind: str, number: int, seconds: float, summary: str, **fields: object) -> timeline_pb2.TimelineEntry:
    event = event_pb2.OperationalEvent(
        type=event_pb2.EventType.Value(f"EVENT_TYPE_{kind}"),
        sequence=number,
        occurred_at=at(seconds),
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        **fields,  # type: ignore[arg-type]
    )
    return timeline_pb2.TimelineEntry(event=event, context=number == 0, summary=summary)


LIFE = timeline_pb2.GetMessageIntentTimelineResponse(
    intent_id="01890a5d-ac96-774b-bcce-b302099a8057",
    standing=timeline_pb2.STANDING_SENT,
    answer="Sent at 2026-03-02 12:00:20 UTC by inst-sp-1, read at 2026-03-04 12:00:00 UTC",
    campaign_id="black-friday",
    instance_id="inst-sp-1",
    entries=[
        entry("EXECUTION_PAUSED", 0, -3600, "Manual pause of campaign black-friday committed"),
        entry("MESSAGE_QUEUED", 1, 0, "Queued by the gate", reason="PACE", actor="ana"),
        entry("MESSAGE_SEND_STARTED", 4, 20, "Send started by inst-sp-1 through whatsapp_cloud, attempt 1"),
        entry("MESSAGE_SENT", 5, 20.4, "Sent by inst-sp-1 through whatsapp_cloud, attempt 1, answered in 300 ms"),
        entry("MESSAGE_READ", 9000, 172_800, "Read, attempt 1"),
    ],
    pending_sequences=[2, 3, 8],
    omitted_sequences=timeline_pb2.SequenceRange(first=9, last=8999),
    phases=[
        phase("QUEUED", 0, 10, "for its turn at inst-sp-1 (PACE)"),
        phase("ATTEMPT", 20, 20.4, "1 by inst-sp-1"),
        phase("READING", 20.4, 172_800, "until it was read"),
        phase("PAUSE", -3600, None, "the manual pause of campaign black-friday"),
    ],
)


def drawn(life: timeline_pb2.GetMessageIntentTimelineResponse, width: int, *, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    console.print(waterfall(life, width=width, now=NOW, zone=UTC))
    return out.getvalue()


def test_the_axis_is_the_course_and_what_goes_beyond_it_is_cut_off() -> None:
    queued, attempt, reading, pause = bars(LIFE, now=NOW)
    assert (queued.left, round(queued.right, 3)) == (0, 0.49)
    assert (round(attempt.left, 3), attempt.right, attempt.beyond) == (0.98, 1, False)
    assert (reading.left, reading.right, reading.beyond, reading.length.days) == (1, 1, True, 1)
    assert (pause.left, pause.right, pause.from_before, pause.lasts, pause.context) == (0, 1, True, True, True)


def test_what_still_lasts_reaches_until_now() -> None:
    life = timeline_pb2.GetMessageIntentTimelineResponse(phases=[phase("DECIDED", 0, 1), phase("QUEUED", 1, None)])
    assert [(bar.left, bar.right, bar.lasts) for bar in bars(life, now=NOW)][1] == (1 / 60, 1, True)
    assert bars(timeline_pb2.GetMessageIntentTimelineResponse(), now=NOW) == []


def test_gaps_stand_where_the_events_will() -> None:
    assert [(line.mark.value, line.number) for line in lines(LIFE)] == [
        ("context", "~"),
        ("own", "1"),
        ("pending", "2…3"),
        ("own", "4"),
        ("own", "5"),
        ("pending", "8"),
        ("omitted", "9…8999"),
        ("own", "9000"),
    ]


@pytest.mark.parametrize("width", [80, 160])
def test_the_waterfall_keeps_to_its_width_and_is_plain_where_there_is_no_terminal(width: int) -> None:
    text = drawn(LIFE, width)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert text.startswith(LIFE.answer)
    for told in (
        "black-friday",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "12:00:20.400",
        "~ pause",
        "03-04 12:00:00.000",
        "pending",
    ):
        assert told in text
    bar = next(line for line in text.splitlines() if line.startswith("queued"))
    assert "█" in bar
    assert "·" in bar
    assert "▒" in next(line for line in text.splitlines() if line.startswith("~ pause"))
    assert ("MESSAGE_SENT" in text) is (width == 160)


def test_on_a_terminal_it_has_colours() -> None:
    assert "\x1b[" in drawn(LIFE, 100, terminal=True)


def hostile() -> timeline_pb2.GetMessageIntentTimelineResponse:
    life = timeline_pb2.GetMessageIntentTimelineResponse()
    life.CopyFrom(LIFE)
    life.answer = life.campaign_id = life.instance_id = HOSTILE
    for told in life.entries:
        told.summary = told.event.reason = told.event.actor = told.event.trace_id = told.event.instance_id = HOSTILE
    for one in life.phases:
        one.label = HOSTILE
    return life


def test_hostile_words_move_no_terminal() -> None:
    text = drawn(hostile(), 160)
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "[/bold]" in text


def test_hostile_words_in_any_table_move_no_terminal() -> None:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, color_system=None).print(table(HOSTILE, ("a",), [(HOSTILE,)]))
    assert not set(out.getvalue()) & {"\x1b", "\x07", "\u202e"}
    assert out.getvalue().count("[/bold]") == 2


class Seen(HTMLParser):
    """What a browser would make of a page: its elements, its attributes, its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("life", [LIFE, hostile()], ids=["plain", "hostile"])
def test_the_page_holds_no_script_and_needs_no_other_file(life: timeline_pb2.GetMessageIntentTimelineResponse) -> None:
    text = page(life, now=NOW, zone=UTC)
    seen = Seen(text)
    assert not seen.tags & {"script", "img", "link", "iframe", "object", "svg", "a", "form"}
    assert not {name for name in seen.attributes if name.startswith("on")} | (seen.attributes & {"src", "href"})
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_the_page_says_what_the_terminal_says() -> None:
    words = Seen(page(LIFE, now=NOW, zone=UTC)).words
    assert LIFE.answer in words
    for told in [*(one.summary for one in LIFE.entries), *(one.label for one in LIFE.phases)]:
        assert told in words
    for told in (
        "2…3",
        "9…8999",
        "pause (context)",
        "61 m 00 s, still",
        "12:00:20.400",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ):
        assert told in words


def test_times_are_told_in_the_zone_and_with_a_date_on_other_days() -> None:
    assert clock(T, SAO_PAULO, day=T) == "09:00:00.000"
    assert clock(T, SAO_PAULO, day=T + timedelta(days=1)) == "03-02 09:00:00.000"
    assert "09:00:20.400" in page(LIFE, now=NOW, zone=SAO_PAULO)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (1.5, "1.50 s"),
        (61, "61.00 s"),
        (150, "2 m 30 s"),
        (7200, "2 h 00 m"),
        (180_000, "2 d 02 h"),
    ],
)
def test_lengths_are_short(seconds: float, text: str) -> None:
    assert took(timedelta(seconds=seconds)) == text
