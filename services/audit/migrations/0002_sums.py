"""Sums of 1, 10, 60 and 1,440 minutes in one table each, with the times to send as histograms.

What was counted before keeps its counts and averages; its times are in no histogram.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SUMS = (
    "ALTER TABLE event_minute RENAME TO event_sum",
    "ALTER TABLE event_sum RENAME COLUMN minute TO start",
    """
ALTER TABLE event_sum
    ADD COLUMN minutes smallint NOT NULL DEFAULT 1,
    ADD COLUMN approval_times numeric NOT NULL DEFAULT 0,
    ADD COLUMN submission_times numeric NOT NULL DEFAULT 0,
    DROP CONSTRAINT event_minute_pkey,
    DROP CONSTRAINT full_minute,
    ADD CONSTRAINT event_sum_pkey
        PRIMARY KEY (organization_id, minutes, start, instance_id, campaign_id, event_type, reason),
    ADD CONSTRAINT full_span CHECK (
        minutes IN (1, 10, 60, 1440) AND start = date_bin(minutes * interval '1 minute', start, 'epoch')
    )
""",
    "ALTER TABLE event_sum ALTER COLUMN minutes DROP DEFAULT",
    "DROP INDEX event_minute_instance",
    "CREATE INDEX event_sum_instance ON event_sum (organization_id, instance_id, minutes, start)",
    """
INSERT INTO event_sum (
    organization_id, minutes, start, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, submission_count, submission_us
)
SELECT
    organization_id, span.minutes, date_bin(span.minutes * interval '1 minute', start, 'epoch'), instance_id,
    campaign_id, event_type, reason,
    sum(events), sum(approval_count), sum(approval_us), sum(submission_count), sum(submission_us)
FROM event_sum, (VALUES (10), (60), (1440)) AS span (minutes)
GROUP BY 1, 2, 3, 4, 5, 6, 7
""",
)

PEAKS = (
    "ALTER TABLE saturation_minute RENAME TO saturation_peak",
    "ALTER TABLE saturation_peak RENAME COLUMN minute TO start",
    """
ALTER TABLE saturation_peak
    ADD COLUMN minutes smallint NOT NULL DEFAULT 1,
    DROP CONSTRAINT saturation_minute_pkey,
    ADD CONSTRAINT saturation_peak_pkey PRIMARY KEY (organization_id, minutes, start, instance_id, campaign_id),
    ADD CONSTRAINT full_span CHECK (
        minutes IN (1, 10, 60, 1440) AND start = date_bin(minutes * interval '1 minute', start, 'epoch')
    )
""",
    "ALTER TABLE saturation_peak ALTER COLUMN minutes DROP DEFAULT",
    "DROP INDEX saturation_minute_instance",
    "CREATE INDEX saturation_peak_instance ON saturation_peak (organization_id, instance_id, minutes, start)",
    """
INSERT INTO saturation_peak (
    organization_id, minutes, start, instance_id, campaign_id, ratio, used, most, limit_name
)
SELECT DISTINCT ON (1, 2, 3, 4, 5)
    organization_id, span.minutes, date_bin(span.minutes * interval '1 minute', start, 'epoch'), instance_id,
    campaign_id, ratio, used, most, limit_name
FROM saturation_peak, (VALUES (10), (60), (1440)) AS span (minutes)
ORDER BY 1, 2, 3, 4, 5, ratio DESC, used DESC, limit_name DESC
""",
)


def upgrade() -> None:
    """Give the sums a length, and add the longer ones."""
    for statement in (*SUMS, *PEAKS):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: the histograms cannot be made again from what is left."""
    raise NotImplementedError("the sums are not taken back by a migration")
