"""Sessions of executors, and which pauses each has acknowledged: what a fence may rely on before its time is over."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As long as the row is there a fence that comes early waits for it, also when it has ended: its permits may still hold.
SESSION = """
CREATE TABLE executor_session (
    session_id uuid NOT NULL,
    executor text NOT NULL,
    lease_until timestamptz NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CONSTRAINT executor_session_pkey PRIMARY KEY (session_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
"""

ACKNOWLEDGEMENT = """
CREATE TABLE acknowledgement (
    control_id uuid NOT NULL,
    session_id uuid NOT NULL,
    CONSTRAINT acknowledgement_pkey PRIMARY KEY (control_id, session_id),
    CONSTRAINT acknowledgement_of_session FOREIGN KEY (session_id) REFERENCES executor_session ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
"""


def upgrade() -> None:
    for ddl in (SESSION, ACKNOWLEDGEMENT):
        op.execute(ddl)
