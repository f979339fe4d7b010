-- Adds what was counted lately to the sums of its spans, in the order of their keys. A sum over rows in an order is made
-- of sorted rows, a group at a time; hashed, each group holds its histograms meanwhile, and thousands of them spill.
WITH fresh AS (
    DELETE FROM fresh_count
    RETURNING
        organization_id, minute, instance_id, campaign_id, event_type, reason,
        events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
)
INSERT INTO event_sum AS kept (
    organization_id, minutes, start, instance_id, campaign_id, event_type, reason,
    events, approval_count, approval_us, approval_times, submission_count, submission_us, submission_times
)
SELECT
    organization_id,
    span.minutes,
    date_bin(span.minutes * interval '1 minute', fresh.minute, 'epoch') AS start,
    instance_id, campaign_id, event_type, reason,
    sum(events ORDER BY minute), sum(approval_count), sum(approval_us), sum(approval_times),
    sum(submission_count), sum(submission_us), sum(submission_times)
FROM fresh, (VALUES (1), (10), (60), (1440)) AS span (minutes)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT (organization_id, minutes, start, instance_id, campaign_id, event_type, reason)
DO UPDATE SET
    events = kept.events + excluded.events,
    approval_count = kept.approval_count + excluded.approval_count,
    approval_us = kept.approval_us + excluded.approval_us,
    approval_times = kept.approval_times + excluded.approval_times,
    submission_count = kept.submission_count + excluded.submission_count,
    submission_us = kept.submission_us + excluded.submission_us,
    submission_times = kept.submission_times + excluded.submission_times
