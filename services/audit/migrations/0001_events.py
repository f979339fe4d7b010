"""The append-only log in weekly partitions, what is kept aside, and the sums that the numbers are read from."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LOG = """
CREATE TABLE operational_event (
    event_id uuid NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    aggregate_type text COLLATE "C" NOT NULL,
    aggregate_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    campaign_id text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    clamped boolean NOT NULL,
    producer text COLLATE "C" NOT NULL,
    trace_id text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    xid8 xid8 NOT NULL DEFAULT pg_current_xact_id(),
    body bytea NOT NULL,
    CONSTRAINT operational_event_pkey PRIMARY KEY (event_id),
    CONSTRAINT occurred_before_recorded CHECK (occurred_at <= recorded_at)
) PARTITION BY RANGE (event_id)
"""

INDEXES = (
    "CREATE INDEX operational_event_aggregate ON operational_event (organization_id, aggregate_id, event_id)",
    "CREATE INDEX operational_event_organization ON operational_event (organization_id, event_id)",
)

APPEND_ONLY = (
    """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refused: operational_event is append-only', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$
""",
    """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON operational_event
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
""",
    """
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON operational_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
    "ALTER TABLE operational_event ENABLE ALWAYS TRIGGER append_only",
    "ALTER TABLE operational_event ENABLE ALWAYS TRIGGER never_truncated",
)

PARTITIONS = (
    """
CREATE FUNCTION event_id_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || repeat('0', 20) AS uuid)
$$
""",
    # An id from beyond the last partition lands in the default one; a week that the default one already holds rows of
    # stays there, so that making partitions ahead never fails and never needs a hand.
    """
CREATE FUNCTION guard_partition(partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
        partition
    );
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER never_truncated', partition);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', partition);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', partition);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'whatlead_audit') THEN
        EXECUTE format('REVOKE ALL ON %I FROM whatlead_audit', partition);
    END IF;
END
$$
""",
    """
CREATE FUNCTION ensure_partitions(from_week timestamptz, weeks integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    first_day timestamp := date_trunc('week', from_week AT TIME ZONE 'UTC');
    starts timestamp;
    partition text;
    low uuid;
    high uuid;
    occupied boolean;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.ensure_partitions', 0));
    PERFORM set_config('lock_timeout', '2s', true);
    FOR week IN 0 .. weeks - 1 LOOP
        starts := first_day + week * interval '7 days';
        partition := 'operational_event_' || to_char(starts, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        low := event_id_floor(starts AT TIME ZONE 'UTC');
        high := event_id_floor((starts + interval '7 days') AT TIME ZONE 'UTC');
        SELECT EXISTS (SELECT FROM operational_event_default WHERE event_id >= low AND event_id < high) INTO occupied;
        CONTINUE WHEN occupied;
        EXECUTE format('CREATE TABLE %I (LIKE operational_event INCLUDING ALL)', partition);
        EXECUTE format(
            'ALTER TABLE operational_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, low, high
        );
        PERFORM guard_partition(partition);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$
""",
    """
DO $$ BEGIN
    EXECUTE format(
        'ALTER FUNCTION ensure_partitions(timestamptz, integer) SET search_path = %I, pg_temp', current_schema()
    );
    EXECUTE format('ALTER FUNCTION guard_partition(text) SET search_path = %I, pg_temp', current_schema());
END $$
""",
    "REVOKE ALL ON FUNCTION ensure_partitions(timestamptz, integer) FROM PUBLIC",
    "REVOKE ALL ON FUNCTION guard_partition(text) FROM PUBLIC",
    "CREATE TABLE operational_event_default PARTITION OF operational_event DEFAULT",
    "SELECT guard_partition('operational_event_default')",
    "SELECT ensure_partitions(now() - interval '7 days', 10)",
)

QUARANTINE = """
CREATE TABLE quarantine (
    digest bytea NOT NULL,
    event_id text NOT NULL,
    peer text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    body bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT quarantine_pkey PRIMARY KEY (digest)
)
"""

ROLLUPS = (
    """
CREATE TABLE event_minute (
    organization_id text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    campaign_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    events bigint NOT NULL,
    approval_count bigint NOT NULL,
    approval_us numeric NOT NULL,
    submission_count bigint NOT NULL,
    submission_us numeric NOT NULL,
    CONSTRAINT event_minute_pkey
        PRIMARY KEY (organization_id, minute, instance_id, campaign_id, event_type, reason),
    CONSTRAINT full_minute CHECK (extract(second FROM minute) = 0)
) WITH (fillfactor = 60)
""",
    "CREATE INDEX event_minute_instance ON event_minute (organization_id, instance_id, minute)",
    """
CREATE TABLE saturation_minute (
    organization_id text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    campaign_id text COLLATE "C" NOT NULL,
    ratio double precision NOT NULL,
    used double precision NOT NULL,
    most double precision NOT NULL,
    limit_name text COLLATE "C" NOT NULL,
    CONSTRAINT saturation_minute_pkey PRIMARY KEY (organization_id, minute, instance_id, campaign_id)
) WITH (fillfactor = 60)
""",
    "CREATE INDEX saturation_minute_instance ON saturation_minute (organization_id, instance_id, minute)",
    """
CREATE TABLE backlog (
    organization_id text COLLATE "C" NOT NULL,
    producer text COLLATE "C" NOT NULL,
    waiting bigint NOT NULL,
    oldest timestamptz,
    measured_at timestamptz NOT NULL,
    CONSTRAINT backlog_pkey PRIMARY KEY (organization_id, producer)
) WITH (fillfactor = 60)
""",
    """
CREATE TABLE scope_interval (
    organization_id text COLLATE "C" NOT NULL,
    scope_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    event_ids uuid[] NOT NULL,
    CONSTRAINT scope_interval_pkey PRIMARY KEY (organization_id, scope_id)
)
""",
    "CREATE INDEX scope_interval_target ON scope_interval (organization_id, scope, target, ended_at)",
)

RIGHTS = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'whatlead_audit') THEN
        REVOKE ALL ON operational_event, operational_event_default, quarantine FROM whatlead_audit;
        GRANT SELECT, INSERT ON operational_event, quarantine TO whatlead_audit;
        REVOKE ALL ON event_minute, saturation_minute, backlog, scope_interval FROM whatlead_audit;
        GRANT SELECT, INSERT, UPDATE ON event_minute, saturation_minute, backlog, scope_interval TO whatlead_audit;
        REVOKE ALL ON FUNCTION guard_partition(text) FROM whatlead_audit;
        GRANT EXECUTE ON FUNCTION ensure_partitions(timestamptz, integer) TO whatlead_audit;
    END IF;
END $$
"""


def upgrade() -> None:
    """Make the tables, the guards that keep the log append-only, and the partitions of the next weeks."""
    for statement in (LOG, *INDEXES, *APPEND_ONLY, *PARTITIONS, QUARANTINE, *ROLLUPS, RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a log that can be dropped by a command is not one."""
    raise NotImplementedError("the event log is not dropped by a migration")
