INSERT INTO event_minute AS kept (
    organization_id, minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, submission_count, submission_us
)
SELECT
    organization_id, minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, submission_count, submission_us
FROM unnest(
    CAST(:organization_id AS text[]),
    CAST(:minute AS timestamptz[]),
    CAST(:instance_id AS text[]),
    CAST(:campaign_id AS text[]),
    CAST(:event_type AS text[]),
    CAST(:reason AS text[]),
    CAST(:events AS bigint[]),
    CAST(:approval_count AS bigint[]),
    CAST(:approval_us AS bigint[]),
    CAST(:submission_count AS bigint[]),
    CAST(:submission_us AS bigint[])
) AS added (
    organization_id, minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, submission_count, submission_us
)
ON CONFLICT (organization_id, minute, instance_id, campaign_id, event_type, reason)
DO UPDATE SET
    events = kept.events + excluded.events,
    approval_count = kept.approval_count + excluded.approval_count,
    approval_us = kept.approval_us + excluded.approval_us,
    submission_count = kept.submission_count + excluded.submission_count,
    submission_us = kept.submission_us + excluded.submission_us
