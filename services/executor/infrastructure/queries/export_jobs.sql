-- All that is kept about jobs, by their keys.
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
  job.recipient IS NULL AS forgotten,
  job.recipient,
  job.content
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS named (organization_id, intent_id)
JOIN job
  ON job.organization_id = named.organization_id
  AND job.intent_id = named.intent_id
LEFT JOIN lane
  ON lane.organization_id = job.organization_id
  AND lane.instance_id = job.instance_id
ORDER BY job.organization_id, job.intent_id
