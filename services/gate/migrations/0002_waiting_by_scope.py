"""Index all that waits by scope: counting it reads no row, and what a scope has parked stays one range."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("DROP INDEX waiting_parked")
    op.execute("CREATE INDEX waiting_scope ON waiting (waits_for, organization_id, campaign_id, instance_id)")
