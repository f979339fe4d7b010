"""New pages are summarized for the sealer without waiting for a vacuum, which PostgreSQL would end on our behalf."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whoever waits a second for a lock that autovacuum holds has it cancelled, and a large partition would never be
# vacuumed again. A vacuum summarizes what it finds, and the next look what came later.
SUMMARIZE = """
CREATE OR REPLACE FUNCTION summarize_transactions() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part regclass;
    summarized bigint := 0;
BEGIN
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR part IN SELECT relid FROM pg_partition_tree('operational_event_transaction') WHERE isleaf LOOP
        BEGIN
            summarized := summarized + brin_summarize_new_values(part);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
    RETURN summarized;
END
$$
"""

PLACE = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION summarize_transactions() SET search_path = %I, pg_temp', current_schema());
END $$
"""


def upgrade() -> None:
    """Replace the function; it keeps its owner and who may call it."""
    op.execute(SUMMARIZE)
    op.execute(PLACE)


def downgrade() -> None:
    """Go back to the one that waits."""
    op.execute(
        "CREATE OR REPLACE FUNCTION summarize_transactions() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$"
        " SELECT sum(brin_summarize_new_values(part.relid))"
        " FROM pg_partition_tree('operational_event_transaction') AS part WHERE part.isleaf $$"
    )
    op.execute(PLACE)
