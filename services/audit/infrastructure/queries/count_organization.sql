-- The longest spans that fit, from the window's start: its end is now, so the running ones count whole. What is in no
-- sum yet has a span of 0.
SELECT
    counted.instance_id,
    counted.event_type,
    counted.reason,
    CAST(sum(counted.events) AS bigint) AS events,
    CAST(sum(counted.approval_count) AS bigint) AS approval_count,
    sum(counted.approval_us) AS approval_us,
    sum(counted.approval_times) AS approval_times,
    CAST(sum(counted.submission_count) AS bigint) AS submission_count,
    sum(counted.submission_us) AS submission_us,
    sum(counted.submission_times) AS submission_times
FROM (VALUES
    (0, CAST(:start AS timestamptz), CAST('infinity' AS timestamptz)),
    (1, CAST(:start AS timestamptz), CAST(:tens AS timestamptz)),
    (10, CAST(:tens AS timestamptz), CAST(:hour AS timestamptz)),
    (60, CAST(:hour AS timestamptz), CAST(:day AS timestamptz)),
    (1440, CAST(:day AS timestamptz), CAST('infinity' AS timestamptz))
) AS span (minutes, since, until)
JOIN counted_event AS counted
    ON counted.organization_id = :organization_id
    AND counted.minutes = span.minutes
    AND counted.start >= span.since
    AND counted.start < span.until
WHERE :campaign_id = '' OR counted.campaign_id = :campaign_id
GROUP BY counted.instance_id, counted.event_type, counted.reason
