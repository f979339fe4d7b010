"""What audit reads from its environment. Knows nothing of how it is used."""

from pydantic import Field

from chassis.settings import Address, ServiceSettings


class AuditSettings(ServiceSettings):
    """The settings of every service, with audit's own ports and what only audit has."""

    public_listen: Address = Field("127.0.0.1:7004", description="Where backends call: TLS and a token.")
    internal_listen: Address = Field("127.0.0.1:7104", description="Where other services call: mutual TLS.")
    http_listen: Address = Field("127.0.0.1:7204", description="Metrics and health: plain HTTP.")
    audit_partition_weeks: int = Field(
        8, ge=2, le=104, description="Audit: how many weeks ahead the log's partitions are made."
    )
