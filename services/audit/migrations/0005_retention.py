"""What is let go of after its time: whole partitions of the log, and rows of what is kept beside it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# An event goes only when the sealer, where there is one, has passed it: its leaf stays. Sealing goes by (transaction,
# event id), so that the last leaf tells for all; a log that is not sealed yet keeps everything.
SEALED = """
CREATE FUNCTION all_sealed(partition text, floor uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    last_transaction bigint;
    last_event uuid;
    found boolean;
BEGIN
    IF to_regclass('evidence_leaf') IS NULL THEN
        RETURN true;
    END IF;
    EXECUTE 'SELECT transaction_id, event_id FROM evidence_leaf ORDER BY position DESC LIMIT 1'
        INTO last_transaction, last_event;
    EXECUTE format(
        'SELECT EXISTS (
            SELECT FROM %I
            WHERE CAST(CAST(xid8 AS text) AS bigint) >= $1
                AND (CAST(CAST(xid8 AS text) AS bigint) > $1 OR event_id > $2)
                AND event_id < $3
        )',
        partition
    ) INTO found USING coalesce(last_transaction, 0), coalesce(last_event, event_id_floor('epoch')), floor;
    RETURN NOT found;
END
$$
"""

# DETACH CONCURRENTLY is refused where there is a default partition. Ingest waits no longer than the lock is waited for,
# and then for the unlinking of files.
PARTITION = """
CREATE FUNCTION drop_partition_before(moment timestamptz) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition text;
    ceiling uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.ensure_partitions', 0));
    SELECT relname, event_id_floor((to_date(right(relname, 8), 'YYYYMMDD') + 7) AT TIME ZONE 'UTC')
    INTO partition, ceiling
    FROM pg_inherits
    JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'operational_event'::regclass
        AND relname ~ '^operational_event_[0-9]{8}$'
    ORDER BY relname
    LIMIT 1;
    IF partition IS NULL OR ceiling > event_id_floor(moment) OR NOT all_sealed(partition, ceiling) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('lock_timeout', '1s', true);
    LOCK TABLE ONLY operational_event IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', partition);
    IF NOT all_sealed(partition, ceiling) THEN -- what came while we waited
        RETURN NULL;
    END IF;
    EXECUTE format('DROP TABLE %I', partition);
    RETURN partition;
END
$$
"""

# In the default partition only what waited for longer than the log is kept is old, or what was sent with such an id.
ROWS = """
CREATE FUNCTION delete_rows_before(moment timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    floor uuid := event_id_floor(moment);
    deleted bigint := 0;
    gone bigint;
BEGIN
    DELETE FROM quarantine WHERE ctid = ANY(ARRAY(SELECT ctid FROM quarantine WHERE recorded_at < moment LIMIT batch));
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone;
    DELETE FROM event_sum WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_sum WHERE start < moment LIMIT batch));
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone;
    DELETE FROM saturation_peak
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM saturation_peak WHERE start < moment LIMIT batch));
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone;
    DELETE FROM scope_interval
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM scope_interval WHERE ended_at < moment LIMIT batch));
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone;
    IF EXISTS (SELECT FROM operational_event_default WHERE event_id < floor)
        AND all_sealed('operational_event_default', floor)
    THEN
        PERFORM set_config('lock_timeout', '1s', true);
        ALTER TABLE operational_event_default DISABLE TRIGGER append_only;
        IF all_sealed('operational_event_default', floor) THEN
            DELETE FROM operational_event_default
            WHERE ctid = ANY(ARRAY(SELECT ctid FROM operational_event_default WHERE event_id < floor LIMIT batch));
            GET DIAGNOSTICS gone = ROW_COUNT;
            deleted := deleted + gone;
        END IF;
        ALTER TABLE operational_event_default ENABLE ALWAYS TRIGGER append_only;
    END IF;
    RETURN deleted;
END
$$
"""

RIGHTS = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION all_sealed(text, uuid) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION drop_partition_before(timestamptz) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format(
        'ALTER FUNCTION delete_rows_before(timestamptz, integer) SET search_path = %I, pg_temp', current_schema()
    );
    REVOKE ALL ON FUNCTION all_sealed(text, uuid) FROM PUBLIC;
    REVOKE ALL ON FUNCTION drop_partition_before(timestamptz) FROM PUBLIC;
    REVOKE ALL ON FUNCTION delete_rows_before(timestamptz, integer) FROM PUBLIC;
END $$
"""


def upgrade() -> None:
    """Make the functions; the service may run them, and still deletes nothing by itself."""
    for statement in (SEALED, PARTITION, ROWS, RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    """Drop the functions; what they have let go of is gone."""
    op.execute("DROP FUNCTION delete_rows_before(timestamptz, integer)")
    op.execute("DROP FUNCTION drop_partition_before(timestamptz)")
    op.execute("DROP FUNCTION all_sealed(text, uuid)")
