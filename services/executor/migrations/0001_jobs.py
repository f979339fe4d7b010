"""Jobs, attempts, lanes and what surrounds them."""

from alembic import op

from chassis.outbox import outbox_ddl

revision = "0001"
down_revision = None

_LANE = """
CREATE TABLE lane (
  organization_id text NOT NULL,
  instance_id text NOT NULL,
  version bigint NOT NULL,
  provider text NOT NULL,
  provider_account text NOT NULL,
  gap_seconds double precision NOT NULL,
  burst integer NOT NULL,
  next_send_at timestamptz NOT NULL,
  CONSTRAINT lane_pkey PRIMARY KEY (organization_id, instance_id),
  CONSTRAINT lane_gap_not_negative CHECK (gap_seconds >= 0),
  CONSTRAINT lane_burst_positive CHECK (burst >= 1)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE INDEX lane_by_account ON lane (provider_account, organization_id);
"""

# next_attempt_at is set while the job is READY and only then, and it decides whether a job is in the partial indexes.
# The outcome of a send (SENDING to SENT) touches no indexed column, so that its update stays on the page (HOT).
_JOB = """
CREATE TABLE job (
  organization_id text NOT NULL,
  intent_id uuid NOT NULL,
  instance_id text NOT NULL,
  campaign_id text NOT NULL,
  next_attempt_at timestamptz,
  lapses_at timestamptz NOT NULL,
  state text NOT NULL,
  reason text NOT NULL DEFAULT '',
  decision_number integer NOT NULL,
  attempt integer NOT NULL DEFAULT 0,
  tries integer NOT NULL DEFAULT 0,
  next_sequence bigint NOT NULL,
  lease_token uuid,
  taken_at timestamptz,
  control_version bigint NOT NULL DEFAULT 0,
  platform_version bigint NOT NULL DEFAULT 0,
  held_by uuid[],
  submitted_at timestamptz NOT NULL,
  approved_at timestamptz NOT NULL,
  approved_until timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  retry_unknown boolean NOT NULL,
  category text NOT NULL,
  recipient_id text NOT NULL,
  traceparent text NOT NULL,
  recipient text,
  content bytea,
  CONSTRAINT job_pkey PRIMARY KEY (organization_id, intent_id),
  CONSTRAINT job_state_known CHECK (
    state IN (
      'READY', 'SENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED', 'UNKNOWN', 'RETURNED', 'CANCELED', 'EXPIRED', 'DEAD'
    )
  ),
  CONSTRAINT job_ready_has_next_attempt CHECK ((state = 'READY') = (next_attempt_at IS NOT NULL)),
  CONSTRAINT job_held_is_ready CHECK (held_by IS NULL OR state = 'READY'),
  CONSTRAINT job_sending_has_lease CHECK (state <> 'SENDING' OR (lease_token IS NOT NULL AND taken_at IS NOT NULL)),
  CONSTRAINT job_begun_has_attempt CHECK (
    attempt > 0 OR state NOT IN ('SENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED', 'UNKNOWN', 'DEAD')
  ),
  CONSTRAINT job_waiting_has_message CHECK (
    state NOT IN ('READY', 'SENDING') OR (recipient IS NOT NULL AND content IS NOT NULL)
  ),
  CONSTRAINT job_tries_are_attempts CHECK (tries BETWEEN 0 AND attempt),
  CONSTRAINT job_lapses_when_approval_or_life_ends CHECK (lapses_at = least(approved_until, expire_time))
) WITH (
  fillfactor = 45,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05
);
CREATE INDEX job_claim ON job (organization_id, instance_id, campaign_id, next_attempt_at)
  WHERE next_attempt_at IS NOT NULL;
CREATE INDEX job_lapse ON job (lapses_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX job_held ON job (organization_id, intent_id) WHERE held_by IS NOT NULL;
"""

_ATTEMPT = """
CREATE TABLE attempt (
  organization_id text NOT NULL,
  intent_id uuid NOT NULL,
  number integer NOT NULL,
  taken_at timestamptz NOT NULL,
  began_at timestamptz,
  ended_at timestamptz,
  outcome text NOT NULL,
  reason text NOT NULL,
  provider_code text NOT NULL,
  provider_message_id text NOT NULL,
  control_version bigint NOT NULL,
  platform_version bigint NOT NULL,
  delivery text,
  contradiction text NOT NULL DEFAULT '',
  CONSTRAINT attempt_pkey PRIMARY KEY (organization_id, intent_id, number),
  CONSTRAINT attempt_number_positive CHECK (number > 0),
  CONSTRAINT attempt_outcome_known CHECK (outcome IN ('SENT', 'RETRYABLE', 'REJECTED', 'UNKNOWN', 'ABORTED')),
  CONSTRAINT attempt_aborted_never_began CHECK (outcome <> 'ABORTED' OR began_at IS NULL),
  CONSTRAINT attempt_delivery_known CHECK (delivery IN ('SENT', 'FAILED', 'DELIVERED', 'READ')),
  CONSTRAINT attempt_delivery_of_sent CHECK (delivery IS NULL OR outcome = 'SENT' OR contradiction <> '')
) WITH (fillfactor = 80);
"""

# One lease a round, not a job: it names its jobs, so that those of a lapsed one are found without an index on jobs.
_REST = """
CREATE TABLE lease (
  token uuid NOT NULL,
  lease_until timestamptz NOT NULL,
  organization_ids text[] NOT NULL,
  intent_ids uuid[] NOT NULL,
  CONSTRAINT lease_pkey PRIMARY KEY (token),
  CONSTRAINT lease_names_jobs CHECK (
    cardinality(intent_ids) > 0 AND cardinality(intent_ids) = cardinality(organization_ids)
  )
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE tombstone (
  organization_id text NOT NULL,
  intent_id uuid NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  CONSTRAINT tombstone_pkey PRIMARY KEY (organization_id, intent_id)
);

CREATE TABLE webhook_inbox (
  inbox_id uuid NOT NULL,
  provider text NOT NULL,
  body bytea NOT NULL,
  received_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  process_after timestamptz NOT NULL DEFAULT statement_timestamp(),
  CONSTRAINT webhook_inbox_pkey PRIMARY KEY (inbox_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX webhook_inbox_due ON webhook_inbox (process_after);

CREATE TABLE webhook_refused (
  inbox_id uuid NOT NULL,
  provider text NOT NULL,
  body bytea NOT NULL,
  reason text NOT NULL,
  refused_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  CONSTRAINT webhook_refused_pkey PRIMARY KEY (inbox_id)
);

CREATE TABLE request (
  organization_id text NOT NULL,
  request_id text NOT NULL,
  method text NOT NULL,
  fingerprint bytea NOT NULL,
  answer bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  CONSTRAINT request_pkey PRIMARY KEY (organization_id, method, request_id)
);

CREATE TABLE backlog_measured (
  organization_id text NOT NULL,
  measured_at timestamptz NOT NULL,
  waiting bigint NOT NULL,
  CONSTRAINT backlog_measured_pkey PRIMARY KEY (organization_id)
);
"""


def upgrade() -> None:
    for statements in (_LANE, _JOB, _ATTEMPT, _REST, outbox_ddl()):
        op.execute(statements)
