SELECT
    given.organization_id,
    given.instance_id,
    COALESCE(sum(signal_count.count) FILTER (WHERE signal_count.kind = 'SENT'), 0) AS sent,
    COALESCE(sum(signal_count.count) FILTER (WHERE signal_count.kind = 'FAILED'), 0) AS failed
FROM unnest(CAST(:organization_ids AS text[]), CAST(:instance_ids AS text[])) AS given (organization_id, instance_id)
JOIN instance
  ON instance.organization_id = given.organization_id
 AND instance.instance_id = given.instance_id
JOIN signal_count
  ON signal_count.organization_id = given.organization_id
 AND signal_count.instance_id = given.instance_id
 AND signal_count.minute >= greatest(CAST(:since AS timestamptz), instance.counted_from)
GROUP BY given.organization_id, given.instance_id
