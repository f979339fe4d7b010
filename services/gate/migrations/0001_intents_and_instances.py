"""Tables of the gate: organizations with their policies and instances, recipients, intents and what waits."""

from alembic import op

from chassis.outbox import outbox_ddl

revision = "0001"
down_revision = None

# The row of an organization is the lock under which everything of it is decided and changed, one batch after another.
ORGANIZATIONS = """
CREATE TABLE organization (
    organization_id text PRIMARY KEY,
    policy_version bigint NOT NULL DEFAULT 0,
    policy bytea,
    lane_version bigint NOT NULL DEFAULT 1,
    backlog_measured_at timestamptz,
    backlog_waiting bigint NOT NULL DEFAULT 0,
    CONSTRAINT stored_policy_has_version CHECK ((policy_version = 0) = (policy IS NULL))
) WITH (fillfactor = 50);

CREATE TABLE policy (
    organization_id text NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (organization_id, version)
);

CREATE TABLE instance (
    organization_id text NOT NULL,
    instance_id text NOT NULL,
    display_name text NOT NULL,
    provider text NOT NULL,
    provider_account text NOT NULL,
    connected boolean NOT NULL,
    connection_at timestamptz NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    tat bigint NOT NULL DEFAULT 0,
    cooldown_reason text,
    cooldown_level int,
    cooldown_start timestamptz,
    cooldown_end timestamptz,
    counted_from timestamptz,
    lock_reported_at timestamptz,
    PRIMARY KEY (organization_id, instance_id),
    CONSTRAINT cooldown_is_whole CHECK (
        num_nulls(cooldown_reason, cooldown_level, cooldown_start, cooldown_end) IN (0, 4)
    )
) WITH (fillfactor = 50);

CREATE INDEX instance_cooling ON instance (cooldown_end) WHERE cooldown_end IS NOT NULL;

CREATE TABLE cooldown (
    organization_id text NOT NULL,
    instance_id text NOT NULL,
    start_time timestamptz NOT NULL,
    reason text NOT NULL,
    level int NOT NULL,
    ended_at timestamptz,
    ended_by text,
    end_reason text,
    PRIMARY KEY (organization_id, instance_id, start_time),
    CONSTRAINT end_is_whole CHECK (num_nulls(ended_at, ended_by, end_reason) IN (0, 3))
);

CREATE TABLE slot_count (
    organization_id text NOT NULL,
    instance_id text NOT NULL,
    per text NOT NULL,
    number bigint NOT NULL,
    used int NOT NULL,
    PRIMARY KEY (organization_id, instance_id, per, number),
    CONSTRAINT per_hour_or_day CHECK (per IN ('HOUR', 'DAY')),
    CONSTRAINT used_not_negative CHECK (used >= 0)
) WITH (fillfactor = 50);
"""

# number_hash is a keyed hash of the canonical number, the same for both ninth-digit forms.
RECIPIENTS = """
CREATE TABLE recipient (
    organization_id text NOT NULL,
    number_hash bytea NOT NULL,
    recipient_id uuid NOT NULL,
    suppressed_at timestamptz,
    suppressed_by text,
    suppression_reason text,
    PRIMARY KEY (organization_id, number_hash),
    CONSTRAINT suppression_is_whole CHECK (
        num_nulls(suppressed_at, suppressed_by, suppression_reason) IN (0, 3)
    )
);

CREATE INDEX recipient_suppressed ON recipient (organization_id, suppressed_at, recipient_id)
    WHERE suppressed_at IS NOT NULL;

CREATE TABLE lifted_suppression (
    organization_id text NOT NULL,
    recipient_id uuid NOT NULL,
    suppressed_at timestamptz NOT NULL,
    suppressed_by text NOT NULL,
    suppression_reason text NOT NULL,
    lifted_at timestamptz NOT NULL,
    lifted_by text NOT NULL,
    lift_reason text NOT NULL,
    PRIMARY KEY (organization_id, recipient_id, lifted_at)
);
"""

# The newest decision is kept on the intent, those before it in past_decision. No index on a column that a decision
# changes.
INTENTS = """
CREATE TABLE intent (
    organization_id text NOT NULL,
    intent_id uuid NOT NULL,
    request_id text NOT NULL,
    content_hash bytea NOT NULL,
    campaign_id text NOT NULL,
    asked_instance_id text NOT NULL,
    category text NOT NULL,
    reference text NOT NULL,
    hold_if_paused boolean NOT NULL,
    expire_time timestamptz NOT NULL,
    number_hash bytea,
    recipient_id uuid,
    content_digest bytea NOT NULL,
    sealed bytea NOT NULL,
    traceparent text NOT NULL,
    submitted_at timestamptz NOT NULL,
    state text NOT NULL,
    sequence bigint NOT NULL,
    instance_id text NOT NULL,
    slot_at bigint,
    slot_before bigint,
    slot_after bigint,
    failed boolean NOT NULL DEFAULT false,
    decision_number int NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    decision bytea NOT NULL,
    PRIMARY KEY (organization_id, intent_id),
    CONSTRAINT known_state CHECK (state IN ('QUEUED', 'APPROVED', 'BLOCKED', 'CANCELED', 'EXPIRED')),
    CONSTRAINT outcome_fits_state CHECK (
        state IN ('CANCELED', 'EXPIRED') OR outcome = state
    ),
    CONSTRAINT slot_is_whole CHECK (num_nulls(slot_at, slot_before, slot_after) IN (0, 3)),
    CONSTRAINT recipient_is_whole CHECK ((number_hash IS NULL) = (recipient_id IS NULL))
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX intent_request ON intent (organization_id, request_id);
CREATE INDEX intent_recipient ON intent (organization_id, number_hash, intent_id) WHERE number_hash IS NOT NULL;

CREATE TABLE past_decision (
    organization_id text NOT NULL,
    intent_id uuid NOT NULL,
    number int NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    decision bytea NOT NULL,
    PRIMARY KEY (organization_id, intent_id, number)
);

CREATE TABLE waiting (
    organization_id text NOT NULL,
    intent_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    waits_for text NOT NULL,
    campaign_id text NOT NULL,
    instance_id text NOT NULL,
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (organization_id, intent_id),
    CONSTRAINT known_event CHECK (waits_for IN ('TIME', 'RESUME', 'CONTROL', 'INSTANCE', 'COOLDOWN'))
) WITH (fillfactor = 80);

CREATE INDEX waiting_due ON waiting (organization_id, due_at, intent_id);
CREATE INDEX waiting_parked ON waiting (waits_for, organization_id, campaign_id, instance_id)
    WHERE waits_for <> 'TIME';
"""

SIGNALS = """
CREATE TABLE signal (
    organization_id text NOT NULL,
    signal_id text NOT NULL,
    instance_id text NOT NULL,
    kind text NOT NULL,
    count int NOT NULL,
    code text NOT NULL,
    intent_id uuid,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (organization_id, signal_id)
);

CREATE TABLE signal_count (
    organization_id text NOT NULL,
    instance_id text NOT NULL,
    minute timestamptz NOT NULL,
    kind text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (organization_id, instance_id, minute, kind)
) WITH (fillfactor = 70);
"""

# mutation answers a repeated request as before; pending_cancel is what the executor has still to be asked to cancel.
REQUESTS = """
CREATE TABLE mutation (
    organization_id text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    content_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, method, request_id)
);

CREATE TABLE pending_cancel (
    organization_id text NOT NULL,
    intent_id uuid NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (organization_id, intent_id)
);
"""


def upgrade() -> None:
    for statements in (ORGANIZATIONS, RECIPIENTS, INTENTS, SIGNALS, REQUESTS, outbox_ddl()):
        op.execute(statements)
