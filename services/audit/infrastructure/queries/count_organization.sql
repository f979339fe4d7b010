SELECT
    counted.instance_id,
    counted.event_type,
    counted.reason,
    CAST(sum(counted.events) AS bigint) AS events,
    CAST(sum(counted.approval_count) AS bigint) AS approval_count,
    sum(counted.approval_us) AS approval_us,
    CAST(sum(counted.submission_count) AS bigint) AS submission_count,
    sum(counted.submission_us) AS submission_us
FROM event_minute AS counted
WHERE counted.organization_id = :organization_id
    AND counted.minute >= :start
    AND (:campaign_id = '' OR counted.campaign_id = :campaign_id)
GROUP BY counted.instance_id, counted.event_type, counted.reason
