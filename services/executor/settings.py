"""What the executor reads from its environment. Knows nothing of how it is used."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from chassis.settings import Address, Endpoint, ServiceSettings


class ExecutorSettings(ServiceSettings):
    """The settings of every service, with the executor's own ports and what only the executor has."""

    public_listen: Address = Field("127.0.0.1:7002", description="Where backends call: TLS and a token.")
    internal_listen: Address = Field("127.0.0.1:7102", description="Where other services call: mutual TLS.")
    http_listen: Address = Field("127.0.0.1:7202", description="Metrics, health and webhooks: plain HTTP.")
    provider_override: Literal["noop"] | None = Field(
        None, description="Executor: `noop` sends nothing and says yes for every lane; for benchmarks and tests."
    )
    provider_deadline_seconds: float = Field(
        10.0, gt=0, le=60, description="Executor: how long a provider may take to answer."
    )
    whatsapp_base_url: Endpoint = Field("https://graph.facebook.com", description="Executor: the Graph API's host.")
    whatsapp_api_version: str = Field(
        "v23.0", pattern=r"^v\d{1,3}\.\d{1,2}$", description="Executor: the Graph API's version."
    )
    whatsapp_access_token: SecretStr | None = Field(None, description="Executor: the Graph API's access token.")
    whatsapp_app_secret: SecretStr | None = Field(None, description="Executor: what signs the webhooks.")
    whatsapp_former_app_secret: SecretStr | None = Field(
        None, description="Executor: the secret before, while secrets are being exchanged."
    )
    whatsapp_verify_token: SecretStr | None = Field(None, description="Executor: what proves a subscription is ours.")
    max_in_flight: int = Field(
        512, ge=1, le=10_000, description="Executor: how many sends may be under way in this process."
    )
    max_per_lane: int = Field(
        300, ge=1, le=5_000, description="Executor: how many jobs of one instance a round takes at most."
    )
    retention_days: int = Field(
        90, ge=45, le=3650, description="Executor: how long jobs that are over are kept, and answers."
    )
    send_attempts: int = Field(5, ge=1, le=50, description="Executor: tries before a job is DEAD.")
    permit_guard_seconds: float = Field(
        0.05, ge=0.001, le=1, description="Executor: a permit is not used within this time of its end."
    )
    check_timeout_seconds: float = Field(
        0.4, gt=0, le=5, description="Executor: how long control may take to answer a check."
    )
    lease_margin_seconds: float = Field(
        10.0, ge=1, le=300, description="Executor: how long a lease outlives the provider's deadline."
    )

    @model_validator(mode="after")
    def _sends_somewhere(self) -> Self:
        if self.provider_override is None and self.whatsapp_access_token is None:
            raise ValueError("whatsapp_access_token must be set unless provider_override is")
        if self.whatsapp_app_secret is not None and self.whatsapp_verify_token is None:
            raise ValueError("whatsapp_verify_token must be set where whatsapp_app_secret is")
        return self
