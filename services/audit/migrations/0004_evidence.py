"""The Merkle log over the events: leaves, nodes and signed checkpoints, and how the sealer finds what is new."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Rows lie in the order of their transactions, so one entry for every 128 pages tells where to look, and a row costs its
# insert next to nothing. BRIN has no operators for xid8, hence the numbers.
FINDING = (
    """
CREATE INDEX operational_event_transaction ON operational_event
    USING brin ((CAST(CAST(xid8 AS text) AS bigint)))
""",
    """
CREATE FUNCTION summarize_transactions() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT sum(brin_summarize_new_values(part.relid))
    FROM pg_partition_tree('operational_event_transaction') AS part
    WHERE part.isleaf
$$
""",
    """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION summarize_transactions() SET search_path = %I, pg_temp', current_schema());
END $$
""",
    "REVOKE ALL ON FUNCTION summarize_transactions() FROM PUBLIC",
)

# Nothing here refers to operational_event: leaves and nodes stay when its partitions are dropped.
LOG = (
    """
CREATE TABLE evidence_leaf (
    position bigint NOT NULL,
    transaction_id bigint NOT NULL,
    event_id uuid NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT evidence_leaf_pkey PRIMARY KEY (position),
    CONSTRAINT leaf_hash_is_sha256 CHECK (length(hash) = 32)
)
""",
    "CREATE INDEX evidence_leaf_event ON evidence_leaf (event_id)",
    """
CREATE TABLE evidence_node (
    level smallint NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT evidence_node_pkey PRIMARY KEY (level, position),
    CONSTRAINT every_eighth_level CHECK (level > 0 AND level % 8 = 0),
    CONSTRAINT node_hash_is_sha256 CHECK (length(hash) = 32)
)
""",
    """
CREATE TABLE evidence_checkpoint (
    size bigint NOT NULL,
    note text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT evidence_checkpoint_pkey PRIMARY KEY (size),
    CONSTRAINT checkpoint_of_something CHECK (size > 0)
)
""",
)

APPEND_ONLY = """
CREATE FUNCTION refuse_evidence_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refused: % is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$
"""

GUARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_evidence_change()
"""

RIGHTS = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'whatlead_audit') THEN
        REVOKE ALL ON evidence_leaf, evidence_node, evidence_checkpoint FROM whatlead_audit;
        GRANT SELECT, INSERT ON evidence_leaf, evidence_node, evidence_checkpoint TO whatlead_audit;
        GRANT EXECUTE ON FUNCTION summarize_transactions() TO whatlead_audit;
    END IF;
END $$
"""


def upgrade() -> None:
    """Make the log's tables, their guards, and the index on the events' transactions; recording waits for that one."""
    for statement in (*FINDING, *LOG, APPEND_ONLY):
        op.execute(statement)
    for table in ("evidence_leaf", "evidence_node", "evidence_checkpoint"):
        op.execute(GUARD.format(table=table))
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    op.execute(RIGHTS)


def downgrade() -> None:
    """Refuse: evidence that can be dropped by a command is none."""
    raise NotImplementedError("the evidence is not dropped by a migration")
