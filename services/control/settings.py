"""What control reads from its environment. Knows nothing of how it is used."""

from datetime import timedelta

from pydantic import Field

from chassis.settings import Address, ServiceSettings


class ControlSettings(ServiceSettings):
    """The settings of every service, with control's own ports and what only control has."""

    public_listen: Address = Field("127.0.0.1:7003", description="Where backends call: TLS and a token.")
    internal_listen: Address = Field("127.0.0.1:7103", description="Where other services call: mutual TLS.")
    http_listen: Address = Field("127.0.0.1:7203", description="Metrics and health: plain HTTP.")
    control_permit_ttl_ms: int = Field(
        500,
        ge=250,
        le=5_000,
        description="Control: how long a permit holds, in milliseconds; never longer than the database's limit.",
    )

    @property
    def permit_ttl(self) -> timedelta:
        """How long a permit holds."""
        return timedelta(milliseconds=self.control_permit_ttl_ms)
