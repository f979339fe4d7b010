-- SENDING jobs under the named leases, locked in key order.
SELECT
  job.organization_id,
  job.intent_id,
  job.decision_number,
  job.instance_id,
  job.campaign_id,
  coalesce(lane.provider, '') AS provider,
  job.state,
  job.reason,
  job.next_attempt_at,
  job.held_by,
  job.submitted_at,
  job.approved_at,
  job.approved_until,
  job.expire_time,
  job.retry_unknown,
  job.traceparent,
  job.attempt,
  job.tries,
  job.lease_token,
  job.taken_at,
  job.control_version,
  job.platform_version,
  job.created_at,
  job.recipient IS NULL AS forgotten
FROM lease
CROSS JOIN LATERAL unnest(lease.organization_ids, lease.intent_ids) AS key (organization_id, intent_id)
JOIN job
  ON job.organization_id = key.organization_id
  AND job.intent_id = key.intent_id
  AND job.lease_token = lease.token
  AND job.state = 'SENDING'
LEFT JOIN lane
  ON lane.organization_id = job.organization_id
  AND lane.instance_id = job.instance_id
WHERE lease.token = ANY (CAST(:tokens AS uuid[]))
ORDER BY job.organization_id, job.intent_id
FOR UPDATE OF job
