"""What the executor has still to forget of people who were erased."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE pending_erasure (
    organization_id text NOT NULL,
    intent_id uuid NOT NULL,
    actor text NOT NULL,
    PRIMARY KEY (organization_id, intent_id)
)
"""
    )
