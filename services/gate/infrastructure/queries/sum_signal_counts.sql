-- What was counted since, and since the last cooldown ended; one row an instance, counted or not.
SELECT
    instance.organization_id,
    instance.instance_id,
    instance.counted_from,
    counted.sent,
    counted.failed
FROM unnest(CAST(:organization_ids AS text[]), CAST(:instance_ids AS text[])) AS given (organization_id, instance_id)
JOIN instance
  ON instance.organization_id = given.organization_id
 AND instance.instance_id = given.instance_id
CROSS JOIN LATERAL (
    SELECT
        COALESCE(sum(signal_count.count) FILTER (WHERE signal_count.kind = 'SENT'), 0) AS sent,
        COALESCE(sum(signal_count.count) FILTER (WHERE signal_count.kind = 'FAILED'), 0) AS failed
    FROM signal_count
    WHERE signal_count.organization_id = instance.organization_id
      AND signal_count.instance_id = instance.instance_id
      AND signal_count.minute >= greatest(CAST(:since AS timestamptz), instance.counted_from)
) AS counted
