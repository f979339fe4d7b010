"""Letters and the outbox."""

from alembic import op

from chassis.outbox import outbox_ddl

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE letter (letter_id uuid PRIMARY KEY, body text NOT NULL); CREATE TABLE diary (line text)")
    op.execute(outbox_ddl())
