"""Pauses with the invariants of their life, the versions they are changed under, and the proof that writes succeed."""

from alembic import op

from chassis.outbox import outbox_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Held by whoever changes a pause of the organization; the empty one is the platform's.
VERSION = """
CREATE TABLE control_version (
    organization_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT control_version_pkey PRIMARY KEY (organization_id),
    CONSTRAINT version_not_negative CHECK (version >= 0)
) WITH (fillfactor = 50);
INSERT INTO control_version (organization_id, version) VALUES ('', 0);
"""

# No replica grants a longer permit. To raise: this row first, the replicas' setting one fence later. To lower: the
# setting first, this row one old permit later.
LIMIT = """
CREATE TABLE permit_limit (
    only_row boolean NOT NULL DEFAULT true,
    ttl_max interval NOT NULL,
    CONSTRAINT permit_limit_pkey PRIMARY KEY (only_row),
    CONSTRAINT one_row CHECK (only_row),
    CONSTRAINT ttl_max_within_bounds CHECK (ttl_max BETWEEN interval '250 milliseconds' AND interval '5 seconds')
);
INSERT INTO permit_limit (ttl_max) VALUES (interval '500 milliseconds');
REVOKE INSERT, DELETE ON permit_limit FROM whatlead_control;
"""

PAUSE = """
CREATE TABLE pause (
    organization_id text COLLATE "C" NOT NULL,
    control_id uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    source text COLLATE "C" NOT NULL,
    paused_until timestamptz,
    paused_by text NOT NULL,
    peer text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    ttl_max interval NOT NULL,
    created_at timestamptz NOT NULL,
    fenced_at timestamptz,
    ended_at timestamptz,
    ended_by text,
    end_reason text,
    resume_request_id text COLLATE "C",
    changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT pause_pkey PRIMARY KEY (organization_id, control_id),
    CONSTRAINT pause_requested_once UNIQUE (organization_id, peer, request_id),
    CONSTRAINT pause_resumed_once UNIQUE (organization_id, resume_request_id),
    CONSTRAINT known_scope CHECK (scope IN ('INSTANCE', 'CAMPAIGN', 'ORGANIZATION', 'PLATFORM')),
    CONSTRAINT known_source CHECK (source IN ('MANUAL', 'AUTO', 'PROVIDER', 'PLATFORM')),
    CONSTRAINT known_state CHECK (state IN ('PAUSING', 'FENCED', 'RESUMED', 'EXPIRED')),
    CONSTRAINT platform_has_no_organization CHECK ((scope = 'PLATFORM') = (organization_id = '')),
    CONSTRAINT narrow_scope_has_target CHECK ((scope IN ('INSTANCE', 'CAMPAIGN')) = (target <> '')),
    CONSTRAINT pausing_is_not_fenced CHECK (state <> 'PAUSING' OR fenced_at IS NULL),
    CONSTRAINT fenced_has_time CHECK (state <> 'FENCED' OR fenced_at IS NOT NULL),
    CONSTRAINT ended_or_live CHECK ((state IN ('RESUMED', 'EXPIRED')) = (ended_at IS NOT NULL)),
    CONSTRAINT ending_is_whole CHECK (num_nonnulls(ended_at, ended_by, end_reason) IN (0, 3)),
    CONSTRAINT resumed_has_request CHECK ((state = 'RESUMED') = (resume_request_id IS NOT NULL)),
    CONSTRAINT expired_when_due CHECK (state <> 'EXPIRED' OR coalesce(paused_until <= ended_at, false))
) WITH (fillfactor = 80);
CREATE INDEX pause_live ON pause (organization_id, control_id) WHERE state IN ('PAUSING', 'FENCED');
CREATE INDEX pause_unfenced ON pause (control_id) WHERE state = 'PAUSING';
CREATE INDEX pause_due ON pause (paused_until)
    WHERE state IN ('PAUSING', 'FENCED') AND paused_until IS NOT NULL;
CREATE INDEX pause_changed ON pause (changed_in);
REVOKE DELETE ON pause FROM whatlead_control;
"""

HEARTBEAT = """
CREATE TABLE heartbeat (
    replica_id uuid NOT NULL,
    lane smallint NOT NULL,
    number bigint NOT NULL,
    beaten_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT heartbeat_pkey PRIMARY KEY (replica_id, lane)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
"""


def upgrade() -> None:
    for ddl in (VERSION, LIMIT, PAUSE, HEARTBEAT, outbox_ddl()):
        op.execute(ddl)
