"""Settings: everything wrong is said at once, by the variable's name and without its value."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from simulator.__main__ import main
from simulator.settings import SimulatorSettings, explain

PREFIX = "WHATLEAD_SIMULATOR_"


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)


def test_every_bad_value_is_reported_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_all(
        monkeypatch,
        listen="nowhere",
        seed="-1",
        profile="stormy",
        webhook_url="ftp://x",
        access_token_file="/does/not/exist",
    )
    assert main([]) == 2
    told = capsys.readouterr().err.splitlines()
    assert {line.partition(":")[0] for line in told} == {
        PREFIX + name for name in ("LISTEN", "SEED", "PROFILE", "WEBHOOK_URL", "ACCESS_TOKEN_FILE")
    }


def test_secrets_are_asked_for_and_never_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("very-secret\n")
    set_all(monkeypatch, access_token="also-secret", access_token_file=str(secret), webhook_url="http://127.0.0.1:1/")
    with pytest.raises(ValidationError) as bad:
        SimulatorSettings()
    told = explain(bad.value)
    assert "not both" in told
    assert "APP_SECRET" in told
    assert "secret" not in told.replace("APP_SECRET", "")


def test_a_secret_file_is_read_without_its_line_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("very-secret\n")
    set_all(monkeypatch, access_token_file=str(secret), profile="clean", listen="127.0.0.1:0")
    settings = SimulatorSettings()
    assert settings.secret("access_token") == "very-secret"
    assert "very-secret" not in repr(settings)
    assert (settings.host, settings.port, settings.profile.refusals) == ("127.0.0.1", 0, ())
