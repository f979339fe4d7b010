"""An instance's events are found by index: "what did it do in the last hour?" is asked in a hurry."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the log by instance. On a log that is large already this takes minutes, and recording waits for it."""
    op.execute("CREATE INDEX operational_event_instance ON operational_event (organization_id, instance_id, event_id)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX operational_event_instance")
