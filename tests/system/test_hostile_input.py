"""Hostile input at the edge of a running system: clear errors that name the field or line, and nothing half-written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.scenario import Scenario, leads, organization, running

from console.accounting import count_intents
from console.connection import clients
from console.pki import mint_token
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import gate_pb2, intent_pb2


def intent(**changes: object) -> intent_pb2.NewIntent:
    fields: dict[str, object] = {
        "request_id": "r-1",
        "campaign_id": "welcome",
        "category": intent_pb2.CATEGORY_UTILITY,
        "recipient": "+5511987654321",
        "template": intent_pb2.Template(name="oi"),
    }
    return intent_pb2.NewIntent(**{**fields, **changes})  # type: ignore[arg-type]


async def refused(call: object) -> Failure:
    with pytest.raises(Failure) as raised:
        await call  # type: ignore[misc]
    return raised.value


async def every_bad_field_is_named(acme: Scenario) -> None:
    bad = intent(campaign_id="no spaces allowed", category=0, request_id="")
    failure = await refused(acme.stubs.gate.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=bad)))
    assert failure.kind is Kind.INVALID_ARGUMENT
    named = {violation.field for violation in failure.violations}
    assert {"intent.campaign_id", "intent.category", "intent.request_id"} <= named


async def a_batch_over_its_limit_is_refused_whole(acme: Scenario) -> None:
    batch = [intent(request_id=f"r-{number}") for number in range(1001)]
    failure = await refused(acme.stubs.gate.SubmitIntents(gate_pb2.SubmitIntentsRequest(intents=batch)))
    assert failure.kind is Kind.INVALID_ARGUMENT
    assert [violation.field for violation in failure.violations] == ["intents"]


async def one_bad_item_does_not_fail_its_batch(acme: Scenario) -> None:
    batch = [intent(request_id="good"), intent(request_id="bad", campaign_id=""), intent(request_id="", recipient="x")]
    answer = await acme.stubs.gate.SubmitIntents(gate_pb2.SubmitIntentsRequest(intents=batch))
    assert [result.WhichOneof("result") for result in answer.results] == ["submitted", "error", "error"]


async def pause_says_what_is_missing(acme: Scenario) -> None:
    failure = await refused(acme.stubs.control.Pause(control_pb2.PauseRequest(scope=control_pb2.SCOPE_CAMPAIGN)))
    assert failure.kind is Kind.INVALID_ARGUMENT
    assert {"request_id", "reason"} <= {violation.field for violation in failure.violations}


async def tokens_are_verified(acme: Scenario) -> None:
    good = mint_token(acme.system.data_dir, subject="x", organization_id="acme", role="owner")
    header, payload, signature = good.split(".")
    for bad in ("", "nonsense", f"{header}.{payload}.", f"{header}.{payload}.{signature[::-1]}"):
        async with clients(acme.system.connection, bad) as stubs:
            failure = await refused(stubs.gate.ListIntents(gate_pb2.ListIntentsRequest()))
            assert failure.kind is Kind.UNAUTHENTICATED, bad


def whatlead(acme: Scenario, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    environment = {**os.environ, "WHATLEAD_DATA_DIR": str(acme.system.data_dir), "WHATLEAD_ORGANIZATION": "acme"}
    command = [sys.executable, "-m", "console.command", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def a_broken_file_names_its_line_and_submits_nothing(acme: Scenario, folder: Path) -> None:
    file = folder / "broken.csv"
    file.write_text("lead_id,phone,campaign_id,category,template\na,+5511987654321,c,UTILITY,t\nb,+5511\n")
    done = whatlead(acme, "submit", str(file))
    assert done.returncode == 2
    assert "line 3: 2 fields where the header has 5" in done.stderr
    assert not (folder / "broken.csv.results.csv").exists()


def usage_errors_say_what_to_do(acme: Scenario) -> None:
    done = whatlead(acme, "pause", "--reason", "x")
    assert (done.returncode, "one of --campaign, --instance, --all" in done.stderr) == (2, True)
    done = whatlead(acme, "explain", "no-such-lead")
    assert (done.returncode, "not found" in done.stderr) == (1, True)


async def test_hostile_input_gets_a_clear_error_and_writes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        await every_bad_field_is_named(acme)
        await a_batch_over_its_limit_is_refused_whole(acme)
        await pause_says_what_is_missing(acme)
        await tokens_are_verified(acme)
        a_broken_file_names_its_line_and_submits_nothing(acme, tmp_path)
        usage_errors_say_what_to_do(acme)
        assert await count_intents(acme.stubs, intent_pb2.INTENT_STATE_UNSPECIFIED) == 0
        await one_bad_item_does_not_fail_its_batch(acme)
        assert await count_intents(acme.stubs, intent_pb2.INTENT_STATE_UNSPECIFIED) == 1


async def test_the_command_does_an_operators_day(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        file = tmp_path / "leads.csv"
        rows = [f"{one.lead_id},{one.phone},{one.campaign_id},UTILITY,oi" for one in leads(40)]
        file.write_text("\n".join(["lead_id,phone,campaign_id,category,template", *rows]) + "\n")
        assert whatlead(acme, "submit", str(file)).returncode == 0
        assert (tmp_path / "leads.csv.results.csv").read_text().count("\n") == 41
        assert whatlead(acme, "submit", str(file)).returncode == 0, "running it again is harmless"
        await acme.sent_reaches(40)
        paused = whatlead(acme, "pause", "--campaign", "campaign-1", "--reason", "a drill")
        assert paused.returncode == 0, paused.stderr
        assert "CONTROL_STATE_FENCED" in paused.stdout
        assert "a drill" in whatlead(acme, "controls").stdout
        assert "Sent" in whatlead(acme, "timeline", "campaign-1-00007").stdout
        assert "rules" in whatlead(acme, "explain", "campaign-1-00007").stdout
        assert '"total": "40"' in whatlead(acme, "metrics").stdout
        assert '"total": "40"' in whatlead(acme, "metrics", "--step", "44640").stdout
        (campaign,) = json.loads(whatlead(acme, "top").stdout)["campaigns"]
        assert (campaign["id"], campaign["state"], campaign["waiting"]) == ("campaign-1", "paused: a drill", 0)
