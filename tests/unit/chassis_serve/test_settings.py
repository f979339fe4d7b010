"""Settings are read once, checked as a whole, and never print what they hold."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.serving import environment, identities

from chassis.settings import ServiceSettings, load, split_address


def good() -> dict[str, str]:
    folder = identities()
    return {
        "WHATLEAD_DATABASE_URL": "postgresql://gate:s3cret@127.0.0.1/whatlead",
        "WHATLEAD_TLS_CERT_FILE": str(folder / "gate.pem"),
        "WHATLEAD_TLS_KEY_FILE": str(folder / "gate.key"),
        "WHATLEAD_TLS_CA_FILE": str(folder / "ca.pem"),
        "WHATLEAD_JWKS": str(folder / "jwks.json"),
    }


def test_the_environment_is_read_and_servers_stay_on_this_machine() -> None:
    with environment(**good()):
        settings = load(ServiceSettings)
    assert settings.database_url.get_secret_value().endswith("/whatlead")
    assert {settings.public_listen, settings.internal_listen, settings.http_listen} == {
        "127.0.0.1:7001",
        "127.0.0.1:7101",
        "127.0.0.1:7201",
    }
    assert "s3cret" not in repr(settings)


def test_every_bad_value_is_listed_and_none_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    bad = {
        "WHATLEAD_DATABASE_URL_FILE": "/nowhere/url",
        "WHATLEAD_PUBLIC_LISTEN": "hush-7001",
        "WHATLEAD_JWKS": "/nowhere/hush.json",
        "WHATLEAD_TRACE_SAMPLE_RATIO": "1.5",
        "WHATLEAD_LOG_LEVEL": "hush",
        "WHATLEAD_OTLP_ENDPOINT": "hush:4317",
    }
    without = {name: value for name, value in good().items() if "TLS_KEY" not in name and "DATABASE" not in name}
    with environment(**(without | bad)), pytest.raises(SystemExit) as exited:
        load(ServiceSettings)
    assert exited.value.code == 2
    written = capsys.readouterr().err
    for name in (*bad, "WHATLEAD_TLS_KEY_FILE"):
        assert f"  {name}: " in written
    assert "hush" not in written


class KeyedSettings(ServiceSettings):
    recipient_key: SecretStr


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("abc123\n")
    with environment(**good(), WHATLEAD_RECIPIENT_KEY_FILE=str(file)):
        settings = load(KeyedSettings)
    assert settings.recipient_key.get_secret_value() == "abc123"


def test_only_secrets_stand_in_files(tmp_path: Path) -> None:
    file = tmp_path / "level"
    file.write_text("debug")
    with environment(**good(), WHATLEAD_LOG_LEVEL_FILE=str(file)):
        assert load(ServiceSettings).log_level == "info"


def test_settings_do_not_change() -> None:
    with environment(**good()):
        settings = load(ServiceSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "debug"


@pytest.mark.parametrize("address", ["", "host", ":70", "host:", "host:-1", "host:65536", "host:٣"])
def test_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)


def test_addresses_are_split() -> None:
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert split_address("[::1]:7001") == ("::1", 7001)
