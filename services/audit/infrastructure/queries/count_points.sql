SELECT
    date_bin(CAST(:step AS integer) * interval '1 minute', counted.start, 'epoch') AS point,
    counted.event_type,
    CAST(sum(counted.events) AS bigint) AS events,
    CAST(sum(counted.approval_count) AS bigint) AS approval_count,
    sum(counted.approval_us) AS approval_us,
    sum(counted.approval_times) AS approval_times,
    CAST(sum(counted.submission_count) AS bigint) AS submission_count,
    sum(counted.submission_us) AS submission_us,
    sum(counted.submission_times) AS submission_times
FROM counted_event AS counted
WHERE counted.organization_id = :organization_id
    AND counted.minutes IN (0, :minutes)
    AND counted.start >= :start
    AND (:instance_id = '' OR counted.instance_id = :instance_id)
    AND (:campaign_id = '' OR counted.campaign_id = :campaign_id)
GROUP BY point, counted.event_type
