"""An intent is found by its caller's reference: "why did lead-00042 get no message?" is asked in a hurry."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Index intents by reference. Where many are kept already this takes a while, and submits wait for it."""
    op.execute("CREATE INDEX intent_reference ON intent (organization_id, reference, intent_id) WHERE reference <> ''")
