"""The command line: what is wrong is said in one line with what to do, and the exit status tells its kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def whatlead(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHATLEAD_")}
    command = [sys.executable, "-m", "console.command", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "advice"),
    [
        (("controls",), 3, "run `whatlead up`"),
        (("token",), 3, "run `whatlead up` once"),
        (("token", "--role", "king"), 2, "choose owner, admin, member or platform"),
        (("serve", "nope"), 2, "choose one of gate, executor, control, audit"),
        (("verify",), 2, "name the public key with --key"),
        (("serve", "gate"), 2, "WHATLEAD_DATABASE_URL: not set"),
        (("pause", "--reason", "x"), 2, "one of --campaign, --instance, --all"),
        (("resume", "x"), 2, "--reason"),
        (("erase", "--reason", "x"), 2, "no number was given"),
        (("erase", "+5511987654321", "--reason", "x"), 2, "unexpected extra argument"),
        (("export",), 2, "--reason"),
        (("resume", "--reason", "x"), 2, "ID..."),
        (("resume", "x", "--reason", "y", "--immediately", "--canary", "5"), 2, "choose one of --immediately"),
        (("resume", "x", "--reason", "y", "--immediately", "--ramp-over", "5"), 2, "choose one of --immediately"),
        (("resume", "x", "--reason", "y", "--ramp-from", "0.5", "--canary", "5"), 2, "choose one of --immediately"),
        (("resume", "x", "--reason", "y", "--watch", "5"), 2, "belong to --canary"),
        (("resume", "x", "--reason", "y", "--max-failures", "0.1"), 2, "belong to --canary"),
        (("resume", "x", "--reason", "y", "--ramp-from", "0"), 2, "--ramp-from"),
        (("resume", "x", "--reason", "y", "--canary", "0"), 2, "--canary"),
        (("metrics", "--window", "0"), 2, "--window"),
        (("metrics", "--step", "0"), 2, "--step"),
        (("top",), 3, "run `whatlead up`"),
        (("timeline", "x", "--json", "--html", "y"), 2, "choose one of --html and --json"),
        (("timeline", "x", "--zone", "Mars/Olympus"), 2, "name one such as America/Sao_Paulo"),
        (("timeline", "x", "--zone", "../../etc/passwd"), 2, "name one such as America/Sao_Paulo"),
        (("stopped",), 2, "name one pause: its id, --campaign or --instance"),
        (("stopped", "x", "--campaign", "y"), 2, "name one pause: its id, --campaign or --instance"),
        (("migrate", "--database-url", "postgresql://u:p@127.0.0.1:1/x"), 2, "set WHATLEAD_GATE_PASSWORD"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_bad_usage_says_what_to_do(tmp_path: Path, arguments: tuple[str, ...], status: int, advice: str) -> None:
    done = whatlead(tmp_path, *arguments)
    assert (done.returncode, advice in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("url", ["postgresql://u:p@127.0.0.1:1/x", "nonsense"])
def test_a_database_that_cannot_be_reached_is_said_so(tmp_path: Path, url: str) -> None:
    done = whatlead(tmp_path, "migrate", "gate", "--database-url", url, WHATLEAD_GATE_PASSWORD="x")
    assert (done.returncode, "check --database-url" in done.stderr) == (3, True), done.stderr
    assert "Traceback" not in done.stderr
