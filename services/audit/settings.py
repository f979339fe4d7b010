"""What audit reads from its environment. Knows nothing of how it is used."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath

from audit.infrastructure.notary import read_private_key, read_public_key
from chassis.settings import Address, ServiceSettings


def _private_key(path: Path) -> Path:
    read_private_key(path)
    return path


def _public_key(path: Path) -> Path:
    read_public_key(path)
    return path


def _in_a_folder(path: Path) -> Path:
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError("must be a file in a folder that exists")
    return path


class AuditSettings(ServiceSettings):
    """The settings of every service, with audit's own ports and what only audit has."""

    public_listen: Address = Field("127.0.0.1:7004", description="Where backends call: TLS and a token.")
    internal_listen: Address = Field("127.0.0.1:7104", description="Where other services call: mutual TLS.")
    http_listen: Address = Field("127.0.0.1:7204", description="Metrics and health: plain HTTP.")
    audit_partition_weeks: int = Field(
        8, ge=2, le=104, description="Audit: how many weeks ahead the log's partitions are made."
    )
    evidence_key_file: Annotated[FilePath, AfterValidator(_private_key)] = Field(
        description="Audit: the private key that signs checkpoints (Ed25519, PEM), not on the database's machine;"
        " `whatlead keys` makes one."
    )
    evidence_former_key_file: Annotated[FilePath, AfterValidator(_public_key)] | None = Field(
        None, description="Audit: the public key before, while the newest checkpoints are still signed with it."
    )
    evidence_checkpoint_file: Annotated[Path, AfterValidator(_in_a_folder)] = Field(
        description="Audit: where checkpoints are copied to, one after another; not on the database's machine."
    )
    audit_retention_days: int = Field(
        400,
        ge=45,
        le=3650,
        description="Audit: how long events, their sums and quarantined items are kept; whole weeks are dropped.",
    )
