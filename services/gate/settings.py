"""What the gate reads from its environment. Knows nothing of how it is used."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from chassis.settings import Address, ServiceSettings


def _key(value: SecretStr) -> SecretStr:
    try:
        key = bytes.fromhex(value.get_secret_value())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("must be 32 bytes in hexadecimal")
    return value


class GateSettings(ServiceSettings):
    """The settings of every service, with the gate's own ports and what only the gate has."""

    public_listen: Address = Field("127.0.0.1:7001", description="Where backends call: TLS and a token.")
    internal_listen: Address = Field("127.0.0.1:7101", description="Where other services call: mutual TLS.")
    http_listen: Address = Field("127.0.0.1:7201", description="Metrics and health: plain HTTP.")
    recipient_key: Annotated[SecretStr, AfterValidator(_key)] = Field(
        description="Gate: 32 bytes in hexadecimal, under which numbers are hashed and sealed. Without it no number "
        "can be matched or sent to any more."
    )
    retention_days: int = Field(
        90,
        ge=45,
        le=3650,
        description="Gate: how long it is kept whom an intent was for and what it said; and answers.",
    )
    max_audit_backlog: int = Field(
        2_000_000,
        ge=1,
        description="Gate: how many events may wait for audit before submits are refused (QUEUE_FULL); some 1 kB each.",
    )
