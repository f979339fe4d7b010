"""How sending goes on after a pause, several pauses lifted by one resume, and the version that a pause began at."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Pauses from before count as begun at their last change: whoever reads them from now on has seen it. Those that were
# lifted went on at once.
COLUMNS = """
ALTER TABLE pause
    ADD COLUMN begun_version bigint,
    ADD COLUMN plan text COLLATE "C",
    ADD COLUMN ramp_from double precision,
    ADD COLUMN ramp_duration interval,
    ADD COLUMN canary_sends integer,
    ADD COLUMN canary_watch interval,
    ADD COLUMN canary_max_failure_share double precision,
    ADD COLUMN full_pace_at timestamptz,
    ADD COLUMN canary_failed_at timestamptz,
    ADD COLUMN failed_control_id uuid;
UPDATE pause
SET begun_version = version,
    plan = CASE WHEN state = 'RESUMED' THEN 'IMMEDIATE' END,
    full_pace_at = CASE WHEN state = 'RESUMED' THEN ended_at END;
"""

CONSTRAINTS = """
ALTER TABLE pause
    ALTER COLUMN begun_version SET NOT NULL,
    ADD CONSTRAINT begun_before_changed CHECK (begun_version <= version),
    ADD CONSTRAINT known_plan CHECK (plan IN ('IMMEDIATE', 'RAMP', 'CANARY')),
    ADD CONSTRAINT resumed_has_plan CHECK ((state = 'RESUMED') = (plan IS NOT NULL)),
    ADD CONSTRAINT ramp_is_whole CHECK (
        num_nonnulls(ramp_from, ramp_duration) = CASE WHEN plan = 'RAMP' THEN 2 ELSE 0 END
    ),
    ADD CONSTRAINT ramp_grows CHECK (ramp_from > 0 AND ramp_from <= 1 AND ramp_duration > interval '0'),
    ADD CONSTRAINT canary_is_whole CHECK (
        num_nonnulls(canary_sends, canary_watch, canary_max_failure_share) = CASE WHEN plan = 'CANARY' THEN 3 ELSE 0 END
    ),
    ADD CONSTRAINT canary_can_fail CHECK (
        canary_sends > 0 AND canary_watch >= interval '0'
        AND canary_max_failure_share >= 0 AND canary_max_failure_share < 1
    ),
    ADD CONSTRAINT failure_is_whole CHECK (num_nonnulls(canary_failed_at, failed_control_id) IN (0, 2)),
    ADD CONSTRAINT full_pace_unless_canary CHECK (
        (full_pace_at IS NOT NULL) = (plan IS NOT NULL) OR (plan = 'CANARY' AND full_pace_at IS NULL)
    ),
    ADD CONSTRAINT only_running_canary_fails CHECK (
        failed_control_id IS NULL OR (plan = 'CANARY' AND full_pace_at IS NULL)
    );
"""

# One resume lifts several pauses, under their organization's version, so that no request id lifts twice.
INDEXES = """
ALTER TABLE pause DROP CONSTRAINT pause_resumed_once;
CREATE INDEX pause_resumed ON pause (organization_id, resume_request_id) WHERE resume_request_id IS NOT NULL;
CREATE INDEX pause_under_way ON pause (organization_id, coalesce(full_pace_at, 'infinity'))
    WHERE plan IN ('RAMP', 'CANARY') AND failed_control_id IS NULL;
CREATE INDEX pause_canary ON pause (control_id)
    WHERE plan = 'CANARY' AND full_pace_at IS NULL AND failed_control_id IS NULL;
"""


def upgrade() -> None:
    for ddl in (COLUMNS, CONSTRAINTS, INDEXES):
        op.execute(ddl)
