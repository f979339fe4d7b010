"""What the console asks of control to pause, preview and resume, and what it shows of the answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from console.controls import PlanOptions, pause, resume
from console.views import controls_table, radius_tables
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2 as pb


class Control:
    """Answers calls by their name, and keeps the requests."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(request: Any, timeout: float) -> Any:
            self.asked.append(request)
            answer = self._answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def options(**given: Any) -> PlanOptions:
    nothing: dict[str, Any] = dict.fromkeys(("ramp_from", "ramp_over", "canary", "watch", "max_failures"))
    return PlanOptions(**({"immediately": False} | nothing | given))


def text(*tables: Table) -> str:
    console = Console(width=250)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, pb.ResumeRequest(ramp=pb.Ramp())),
        ({"immediately": True}, pb.ResumeRequest(immediate=pb.Immediate())),
        ({"ramp_from": 0.5}, pb.ResumeRequest(ramp=pb.Ramp(from_share=0.5))),
        ({"ramp_over": 90}, pb.ResumeRequest(ramp=pb.Ramp(duration=Duration(seconds=90)))),
        ({"canary": 5}, pb.ResumeRequest(canary=pb.Canary(sends=5))),
        (
            {"canary": 5, "watch": 0, "max_failures": 0.2},
            pb.ResumeRequest(canary=pb.Canary(sends=5, watch=Duration(), max_failure_share=0.2)),
        ),
    ],
)
def test_the_options_make_the_plan_and_leave_the_rest_to_the_service(
    given: dict[str, Any], expected: pb.ResumeRequest
) -> None:
    request = pb.ResumeRequest()
    options(**given).set_on(request)
    assert request == expected


async def test_a_resume_uses_the_etag_that_it_read_first(capsys: pytest.CaptureFixture[str]) -> None:
    control = Control(
        GetExecutionControl=pb.GetExecutionControlResponse(control=pb.ExecutionControl(etag="v7.2")),
        Resume=pb.ResumeResponse(controls=[pb.ExecutionControl(control_id="a")]),
    )
    await resume(control, ["a", "b"], reason="fixed", plan=options(), as_json=True)  # type: ignore[arg-type]

    read, asked = control.asked
    assert read.control_id == "a"
    assert (list(asked.control_ids), asked.etag, asked.reason) == (["a", "b"], "v7.2", "fixed")
    assert json.loads(capsys.readouterr().out)["controls"] == [{"control_id": "a"}]


async def test_a_resume_that_met_another_pause_shows_what_is_live_and_says_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    control = Control(
        GetExecutionControl=pb.GetExecutionControlResponse(control=pb.ExecutionControl(etag="v7.2")),
        Resume=Failure(Kind.ABORTED, "ETAG_MISMATCH", "…"),
        ListExecutionControls=pb.ListExecutionControlsResponse(controls=[pb.ExecutionControl(reason="complaints")]),
    )
    with pytest.raises(Failure, match="Look at what is live now, then resume again") as refused:
        await resume(control, ["a"], reason="fixed", plan=options(), as_json=True)  # type: ignore[arg-type]

    assert refused.value.kind is Kind.ABORTED
    assert control.asked[-1].live_only
    assert json.loads(capsys.readouterr().out)["controls"] == [{"reason": "complaints"}]


async def test_a_dry_run_asks_for_validation_only(capsys: pytest.CaptureFixture[str]) -> None:
    control = Control(Pause=pb.PauseResponse(blast_radius=pb.BlastRadius(total=pb.WorkCount(jobs=4))))
    await pause(
        control,  # type: ignore[arg-type]
        campaign="welcome",
        instance="",
        reason="wrong price",
        until=None,
        wait=True,
        dry_run=True,
        as_json=True,
    )

    assert (control.asked[0].validate_only, control.asked[0].target) == (True, "welcome")
    assert json.loads(capsys.readouterr().out)["blast_radius"]["total"] == {"jobs": "4"}


def test_what_would_be_stopped_is_shown_by_campaign_and_instance() -> None:
    shown = text(
        *radius_tables(
            pb.BlastRadius(
                total=pb.WorkCount(intents=11, jobs=22, in_flight=33),
                campaigns=[pb.CampaignWork(campaign_id="welcome", work=pb.WorkCount(intents=44))],
                instances=[
                    pb.InstanceWork(instance_id="sp-1", work=pb.WorkCount(jobs=55)),
                    pb.InstanceWork(work=pb.WorkCount(intents=66)),
                ],
            )
        )
    )
    lines = [line.split() for line in shown.splitlines()]
    for line in (
        ["all", "11", "22", "33"],
        ["welcome", "44", "0", "0"],
        ["sp-1", "0", "55", "0"],
        ["not", "chosen", "yet", "66", "0", "0"],
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("resumption", "words"),
    [
        (pb.Resumption(state=pb.RESUMPTION_STATE_CANARY, canary=pb.Canary(sends=20)), "canary of 20"),
        (
            pb.Resumption(
                state=pb.RESUMPTION_STATE_RAMPING, rate_factor=0.34, complete_time=Timestamp(seconds=1_700_000_000)
            ),
            "at 34%",
        ),
        (pb.Resumption(state=pb.RESUMPTION_STATE_COMPLETE), "at full pace"),
        (pb.Resumption(state=pb.RESUMPTION_STATE_FAILED, failed_control_id="c2"), "canary failed: c2"),
    ],
)
def test_pauses_are_shown_with_who_is_behind_them_and_how_it_goes_on(resumption: pb.Resumption, words: str) -> None:
    control = pb.ExecutionControl(control_id="c1", source=pb.SOURCE_AUTO, paused_by="gate", resumption=resumption)
    shown = text(controls_table([control]))
    assert words in shown
    assert "AUTO" in shown
    assert "gate" in shown
