"""What `whatlead metrics` asks for, and what it shows of the answers."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.console.test_top import text

from console.numbers import metrics
from console.views_metrics import metrics_tables, series_table
from whatlead.audit.v1 import metrics_pb2 as pb


def times(*seconds: int) -> pb.TimeToSend:
    average, p50, p95, p99 = (Duration(seconds=one) for one in seconds)
    return pb.TimeToSend(count=3, average=average, p50=p50, p95=p95, p99=p99)


def test_percentiles_stand_beside_the_average() -> None:
    answer = pb.GetOrganizationMetricsResponse(from_approval=times(11, 12, 13, 14), from_submission=times(1, 2, 3, 4))
    lines = text(*metrics_tables("organization", answer)).splitlines()
    assert any(line.split()[:4] == ["approval", "3", "11.000", "s"] and "14.000 s" in line for line in lines)
    assert any(line.startswith("submission") and "4.000 s" in line for line in lines)


def test_what_was_not_measured_has_no_time() -> None:
    backlogs = [pb.Backlog(producer="gate", waiting=7), pb.Backlog(producer="executor", oldest_age=Duration(seconds=9))]
    shown = text(*metrics_tables("organization", pb.GetOrganizationMetricsResponse(backlogs=backlogs)))
    lines = [line.split() for line in shown.splitlines()]
    for line in (
        ["approval", "0", "-", "-", "-", "-"],
        ["gate", "7", "none", "is", "due"],
        ["executor", "0", "9.000", "s"],
    ):
        assert line in lines


def test_a_series_is_a_line_a_point_with_a_bar() -> None:
    points = [
        pb.MetricsPoint(
            window=pb.Window(start_time=Timestamp(seconds=1_700_000_000 + at)),
            volume=pb.Volume(sent=pb.Count(total=sent)),
            from_approval=times(1, 2, 3, 4),
        )
        for at, sent in [(0, 10), (60, 20), (120, 0)]
    ]
    lines = text(series_table(pb.GetMetricsSeriesResponse(points=points))).splitlines()[2:]
    assert [line.count("█") for line in lines] == [12, 24, 0]
    assert "20" in lines[1]


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({}, pb.GetOrganizationMetricsRequest(window_minutes=60, campaign_id="c")),
        ({"instance": "i"}, pb.GetInstanceMetricsRequest(window_minutes=60, campaign_id="c", instance_id="i")),
        (
            {"instance": "i", "step": 5},
            pb.GetMetricsSeriesRequest(window_minutes=60, campaign_id="c", instance_id="i", step_minutes=5),
        ),
    ],
)
async def test_the_options_choose_the_call(
    options: dict[str, Any], request_: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    async def call(request: Any, timeout: float) -> Any:
        asked.append(request)
        name = type(request).__name__.replace("Request", "Response")
        return getattr(pb, name)()

    names = ("GetOrganizationMetrics", "GetInstanceMetrics", "GetMetricsSeries")
    stubs: Any = SimpleNamespace(metrics=SimpleNamespace(**dict.fromkeys(names, call)))
    given = {"instance": "", "step": None, **options}
    await metrics(stubs, **given, campaign="c", window=60, watching=False, as_json=True)
    assert asked == [request_]
    assert json.loads(capsys.readouterr().out) == {}
