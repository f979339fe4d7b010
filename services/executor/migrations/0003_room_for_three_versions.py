"""Room on a job's page for its three versions: accepted, taken, settled."""

from alembic import op

revision = "0003"
down_revision = "0002"

# The version before cannot be cleared away while any transaction of the database is older, be it another service's.
# At 45 % half of the outcomes went to another page, with an entry in the index each.
_ROOM = "ALTER TABLE job SET (fillfactor = 33)"


def upgrade() -> None:
    op.execute(_ROOM)
