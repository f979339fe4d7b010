"""How work goes on after a pause: a second clock for what ramps up, canaries, and held jobs by their time."""

from alembic import op

revision = "0002"
down_revision = "0001"

# Both clocks bind what ramps up; everything else of the lane goes by next_send_at alone.
_RAMP = "ALTER TABLE lane ADD COLUMN ramp_next_at timestamptz NOT NULL DEFAULT 'epoch'"

# A released job keeps what it was held by until it is taken, so that a pause it meets once more is not told again.
_HELD = """
DROP INDEX job_held;
CREATE INDEX job_held ON job (next_attempt_at) WHERE held_by IS NOT NULL;
"""

# The row of a canary is what executors lock to count together.
_CANARY = """
CREATE TABLE canary (
  control_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  CONSTRAINT canary_pkey PRIMARY KEY (control_id)
);

CREATE TABLE canary_send (
  control_id uuid NOT NULL,
  organization_id text NOT NULL,
  intent_id uuid NOT NULL,
  attempt integer NOT NULL,
  CONSTRAINT canary_send_pkey PRIMARY KEY (control_id, organization_id, intent_id, attempt),
  CONSTRAINT canary_send_of_canary FOREIGN KEY (control_id) REFERENCES canary
);
"""


def upgrade() -> None:
    for statements in (_RAMP, _HELD, _CANARY):
        op.execute(statements)
