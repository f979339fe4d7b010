-- What waits, from the index alone, and what is being sent, by way of the leases; empty filters match everything.
SELECT
  counted.organization_id,
  counted.instance_id,
  counted.campaign_id,
  CAST(sum(counted.waiting) AS bigint) AS waiting,
  CAST(sum(counted.in_flight) AS bigint) AS in_flight
FROM (
  SELECT job.organization_id, job.instance_id, job.campaign_id, count(*) AS waiting, 0 AS in_flight
  FROM job
  WHERE job.next_attempt_at IS NOT NULL
    AND (CAST(:organization_id AS text) = '' OR job.organization_id = CAST(:organization_id AS text))
    AND (CAST(:instance_id AS text) = '' OR job.instance_id = CAST(:instance_id AS text))
    AND (CAST(:campaign_id AS text) = '' OR job.campaign_id = CAST(:campaign_id AS text))
  GROUP BY job.organization_id, job.instance_id, job.campaign_id
  UNION ALL
  SELECT job.organization_id, job.instance_id, job.campaign_id, 0, count(*)
  FROM lease
  CROSS JOIN LATERAL unnest(lease.organization_ids, lease.intent_ids) AS key (organization_id, intent_id)
  JOIN job
    ON job.organization_id = key.organization_id
    AND job.intent_id = key.intent_id
    AND job.lease_token = lease.token
    AND job.state = 'SENDING'
  WHERE (CAST(:organization_id AS text) = '' OR job.organization_id = CAST(:organization_id AS text))
    AND (CAST(:instance_id AS text) = '' OR job.instance_id = CAST(:instance_id AS text))
    AND (CAST(:campaign_id AS text) = '' OR job.campaign_id = CAST(:campaign_id AS text))
  GROUP BY job.organization_id, job.instance_id, job.campaign_id
) AS counted
GROUP BY counted.organization_id, counted.instance_id, counted.campaign_id
ORDER BY counted.organization_id, counted.instance_id, counted.campaign_id
