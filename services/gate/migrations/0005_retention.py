"""Up to where old intents are forgotten, and signals by their age."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("CREATE TABLE forgotten (organization_id text NOT NULL PRIMARY KEY, up_to uuid NOT NULL)")
    op.execute("CREATE INDEX signal_age ON signal USING brin (occurred_at)")
