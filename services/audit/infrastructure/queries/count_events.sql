-- Notes what a commit adds to the numbers; fold_counts.sql adds it to the sums.
INSERT INTO fresh_count (
    organization_id, minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
)
SELECT
    organization_id, minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
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
    CAST(CAST(:approval_times AS text[]) AS numeric[]),
    CAST(:submission_count AS bigint[]),
    CAST(:submission_us AS bigint[]),
    CAST(CAST(:submission_times AS text[]) AS numeric[])
) AS added (
    organization_id, minute, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
)
