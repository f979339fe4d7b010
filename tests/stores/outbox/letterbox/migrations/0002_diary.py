"""The diary is written once."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON diary FROM whatlead_letterbox")
