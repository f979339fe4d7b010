"""Keep the recipient's local time, in hours from UTC, by which quiet hours are judged; the number itself is sealed.

What was accepted before counts as São Paulo's, like most numbers.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE intent ADD COLUMN utc_offset smallint NOT NULL DEFAULT -3")
