"""The simulator's configuration, read once and frozen. Secrets come from the environment or from files."""

from functools import partial
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from simulator.profile import Profile, load_profile

PREFIX = "WHATLEAD_SIMULATOR_"


def _check_listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("give host:port, for example 127.0.0.1:7300")
    return value


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give an http or https URL")
    return value


def _read_secret(value: object) -> SecretStr:
    try:
        secret = Path(str(value)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as failed:
        raise ValueError(f"cannot be read: {type(failed).__name__}") from None
    if not secret:
        raise ValueError("the file is empty")
    return SecretStr(secret)


def _read_profile(value: object) -> Profile:
    return value if isinstance(value, Profile) else load_profile(str(value))


SecretFile = Annotated[SecretStr, BeforeValidator(_read_secret)]
Secret = Annotated[SecretStr, Field(min_length=1)]


class SimulatorSettings(BaseSettings):
    """One field a variable; `*_file` names a file that holds the secret."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    listen: Annotated[str, AfterValidator(_check_listen)] = "127.0.0.1:7300"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    profile: Annotated[Profile, NoDecode, BeforeValidator(_read_profile)] = Field(
        default_factory=partial(load_profile, "mild")
    )
    webhook_url: Annotated[str, AfterValidator(_check_url)] | None = None
    app_secret: Secret | None = None
    app_secret_file: SecretFile | None = None
    access_token: Secret | None = None
    access_token_file: SecretFile | None = None
    verify_token: Secret | None = None
    verify_token_file: SecretFile | None = None

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        problems = [
            f"set {PREFIX}{name.upper()} or {PREFIX}{name.upper()}_FILE, not both"
            for name in ("app_secret", "access_token", "verify_token")
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None
        ]
        if not self.secret("access_token"):
            problems.append(f"set {PREFIX}ACCESS_TOKEN: what callers must send")
        if self.webhook_url is not None and not self.secret("app_secret"):
            problems.append(f"set {PREFIX}APP_SECRET: it signs the webhooks")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def secret(self, name: str) -> str | None:
        """Return a secret by its name, from wherever it was given."""
        value: SecretStr | None = getattr(self, name) or getattr(self, f"{name}_file")
        return value.get_secret_value() if value is not None else None

    @property
    def host(self) -> str:
        """Return the address to listen on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Return the port to listen on; 0 for any free one."""
        return int(self.listen.rpartition(":")[2])


def explain(error: ValidationError) -> str:
    """Return one line for each bad setting, named as in the environment, without any value."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
