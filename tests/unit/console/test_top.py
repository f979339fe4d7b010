"""What `whatlead top` shows of each instance and campaign, once in a pipe."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from console.top import Seen, campaign_rows, instance_rows, top, top_table
from kernel.errors import Failure, Kind
from whatlead.audit.v1 import metrics_pb2 as numbers
from whatlead.control.v1 import control_pb2 as control
from whatlead.gate.v1 import instance_pb2 as gate


def part(id_: str, sent: int = 0) -> numbers.MetricsPart:
    return numbers.MetricsPart(
        id=id_,
        volume=numbers.Volume(sent=numbers.Count(total=sent, per_hour=sent * 60)),
        from_approval=numbers.TimeToSend(count=3, p95=Duration(seconds=2)),
        saturation=numbers.Saturation(limit="HOURLY_CAP", ratio=0.5),
    )


def parts(*found: numbers.MetricsPart) -> numbers.GetMetricsBreakdownResponse:
    return numbers.GetMetricsBreakdownResponse(parts=found)


COOLING = gate.Instance(
    instance_id="cooling", cooldown=gate.Cooldown(reason="SPAM_LIMIT", end_time=Timestamp(seconds=1_700_000_000))
)
SEEN = Seen(
    instances=parts(part("slow", 3), part("fast", 40)),
    campaigns=parts(part("welcome", 43)),
    numbers=[
        gate.Instance(instance_id="fast"),
        gate.Instance(instance_id="gone", connection=gate.CONNECTION_DISCONNECTED),
        COOLING,
    ],
    pauses=[
        control.ExecutionControl(scope=control.SCOPE_INSTANCE, target="slow", reason="complaints"),
        control.ExecutionControl(scope=control.SCOPE_CAMPAIGN, target="black-friday", reason="wrong price"),
    ],
    waiting=control.BlastRadius(
        campaigns=[control.CampaignWork(campaign_id="black-friday", work=control.WorkCount(intents=7, jobs=2))],
        instances=[control.InstanceWork(instance_id="fast", work=control.WorkCount(jobs=5, in_flight=1))],
    ),
)


def text(*tables: Table) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        for one in tables:
            console.print(one)
    return captured.get()


def test_instances_come_busiest_first_with_what_stops_them_and_what_waits() -> None:
    rows = instance_rows(SEEN)
    assert [(row.id, row.per_minute("sent"), row.waiting) for row in rows] == [
        ("fast", 40, 5),
        ("slow", 3, 0),
        ("cooling", 0, 0),
        ("gone", 0, 0),
    ]
    states = {row.id: row.state for row in rows}
    assert (states["fast"], states["slow"], states["gone"]) == ("active", "paused: complaints", "disconnected")
    assert states["cooling"].startswith("cooldown until")
    fast, *_, gone = text(top_table("instances", rows)).splitlines()[1:]
    assert "2.000 s" in fast
    assert "50% of HOURLY_CAP" in fast
    assert gone.split()[:7] == ["gone", "0.0", "0.0", "0.0", "0.0", "-", "disconnected"]


def test_a_campaign_that_only_waits_is_there_and_says_why() -> None:
    rows = campaign_rows(SEEN)
    assert [(row.id, row.state, row.waiting) for row in rows] == [
        ("welcome", "active", 0),
        ("black-friday", "paused: wrong price", 9),
    ]


def clients(preview: object) -> Any:
    """Return stubs that answer what SEEN holds."""

    def answers(answer: object) -> Any:
        async def call(request: Any, timeout: float) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    async def breakdown(request: Any, timeout: float) -> Any:
        return SEEN.instances if request.by == numbers.BREAKDOWN_INSTANCE else SEEN.campaigns

    return SimpleNamespace(
        metrics=SimpleNamespace(GetMetricsBreakdown=breakdown),
        instances=SimpleNamespace(ListInstances=answers(gate.ListInstancesResponse(instances=SEEN.numbers))),
        control=SimpleNamespace(
            ListExecutionControls=answers(control.ListExecutionControlsResponse(controls=SEEN.pauses)),
            Pause=answers(preview),
        ),
    )


async def test_in_a_pipe_it_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    await top(clients(control.PauseResponse(blast_radius=SEEN.waiting)), as_json=False)
    shown = json.loads(capsys.readouterr().out)
    assert shown["instances"][0] == {
        "id": "fast",
        "sent_per_minute": 40.0,
        "queued_per_minute": 0.0,
        "blocked_per_minute": 0.0,
        "failed_per_minute": 0.0,
        "p95_seconds": 2.0,
        "state": "active",
        "saturation": {"ratio": 0.5, "limit": "HOURLY_CAP"},
        "waiting": 5,
    }
    assert [one["id"] for one in shown["campaigns"]] == ["welcome", "black-friday"]


async def test_what_waits_is_unknown_where_it_cannot_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    await top(clients(Failure(Kind.UNAVAILABLE, "GATE_UNREACHABLE", "…")), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert {one["waiting"] for one in shown["instances"]} == {None}
