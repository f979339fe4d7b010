"""What the environment tells every service, read once and checked as a whole. Knows no service's own settings.

A secret may stand in a file instead: `WHATLEAD_DATABASE_URL_FILE` names the file that holds `WHATLEAD_DATABASE_URL`.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "WHATLEAD_"
EXIT_BAD_SETTINGS = 2


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port` (IPv6 in brackets). Raises ValueError otherwise."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _address(value: str) -> str:
    split_address(value)
    return value


def _addresses(value: str) -> str:
    for address in value.split(","):
        split_address(address)
    return value


def _key_source(value: str) -> str:
    if value.startswith(("https://", "http://")):
        if not urlsplit(value).hostname:
            raise ValueError("must be a file or a URL with a host")
    elif not Path(value).is_file():
        raise ValueError("must be an http(s) URL or a file that exists")
    return value


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http(s) URL")
    return value


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[str, AfterValidator(_addresses)]
KeySource = Annotated[str, AfterValidator(_key_source)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


class ServiceSettings(BaseSettings):
    """What every service needs. A service's own settings extend it, with its own default ports."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql://user:password@host:port/database.")
    public_listen: Address = Field("127.0.0.1:7001", description="Where backends call: TLS and a token.")
    internal_listen: Address = Field("127.0.0.1:7101", description="Where other services call: mutual TLS.")
    http_listen: Address = Field("127.0.0.1:7201", description="Metrics, health and webhooks: plain HTTP.")
    tls_cert_file: FilePath = Field(description="The service's certificate chain (PEM), reread when it changes.")
    tls_key_file: FilePath = Field(description="The certificate's private key (PEM).")
    tls_ca_file: FilePath = Field(description="The authority that vouches for the services (PEM).")
    jwks: KeySource = Field(description="File or URL of the JSON Web Key Set that signs callers' tokens.")
    jwt_issuer: str = Field("whatlead", min_length=1, description="The `iss` a token must name.")
    jwt_audience: str = Field("whatlead", min_length=1, description="The `aud` a token must name.")
    gate_target: Address = Field("localhost:7101", description="Gate's internal listener.")
    executor_target: Address = Field("localhost:7102", description="Executor's internal listener.")
    control_target: Addresses = Field(
        "localhost:7103", description="Control's internal listener; those of several replicas are separated by commas."
    )
    audit_target: Address = Field("localhost:7104", description="Audit's internal listener.")
    otlp_endpoint: Endpoint | None = Field(
        None, description="OpenTelemetry collector; port 4317 is spoken to in gRPC, any other in HTTP."
    )
    trace_sample_ratio: float = Field(1.0, ge=0, le=1, description="Share of new traces kept, 0 to 1.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")

    @property
    def control_targets(self) -> Sequence[str]:
        """The addresses of control's replicas."""
        return self.control_target.split(",")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads the secrets whose files the environment names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None or SecretStr not in (field.annotation, *get_args(field.annotation)):
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError:
            # Left unset: the report then names the setting as missing.
            return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


S = TypeVar("S", bound=BaseSettings)


def problems(error: ValidationError, prefix: str = PREFIX) -> list[str]:
    """Return a line for every bad setting: its variable and what is wrong, never its value."""
    lines = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        variable = prefix + "".join(str(part) for part in item["loc"][:1]).upper()
        wrong = "not set" if item["type"] == "missing" else item["msg"]
        if item["type"] == "missing" and f"{variable}_FILE" in os.environ:
            variable, wrong = f"{variable}_FILE", "names a file that cannot be read"
        lines.append(f"{variable}: {wrong}")
    return lines


def load(settings_class: type[S]) -> S:
    """Read the settings, or list every bad one on stderr and exit with 2."""
    try:
        return settings_class()
    except ValidationError as error:
        _refuse(problems(error))


def _refuse(lines: list[str]) -> NoReturn:
    sys.stderr.write("bad settings:\n" + "".join(f"  {line}\n" for line in lines))
    raise SystemExit(EXIT_BAD_SETTINGS)
