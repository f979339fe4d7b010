"""What a commit adds to the numbers is noted first and added to the sums in larger steps."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Without an index, for it is read as a whole, by whoever folds it into the sums and by whoever asks for numbers.
FRESH = """
CREATE TABLE fresh_count (
    organization_id text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    campaign_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    events bigint NOT NULL,
    approval_count bigint NOT NULL,
    approval_us numeric NOT NULL,
    approval_times numeric NOT NULL,
    submission_count bigint NOT NULL,
    submission_us numeric NOT NULL,
    submission_times numeric NOT NULL,
    CONSTRAINT full_minute CHECK (minute = date_bin('1 minute', minute, 'epoch'))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
"""

COUNTED = """
CREATE VIEW counted_event AS
SELECT
    organization_id, minutes, start, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
FROM event_sum
UNION ALL
SELECT
    organization_id, CAST(0 AS smallint), minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
FROM fresh_count
"""

RIGHTS = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'whatlead_audit') THEN
        REVOKE ALL ON fresh_count, counted_event FROM whatlead_audit;
        GRANT SELECT, INSERT, DELETE ON fresh_count TO whatlead_audit;
        GRANT SELECT ON counted_event TO whatlead_audit;
    END IF;
END $$
"""


def upgrade() -> None:
    """Make the table and the view that numbers are read from."""
    for statement in (FRESH, COUNTED, RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: what is in no sum yet would be lost."""
    raise NotImplementedError("what was counted last is not taken back by a migration")
