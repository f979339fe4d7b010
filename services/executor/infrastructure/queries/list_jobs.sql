-- An organization's jobs, newest first; empty filters match everything.
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
FROM job
LEFT JOIN lane
  ON lane.organization_id = job.organization_id
  AND lane.instance_id = job.instance_id
WHERE job.organization_id = :organization_id
  AND job.intent_id < CAST(:before AS uuid)
  AND (CAST(:state AS text) = '' OR job.state = CAST(:state AS text))
  AND (CAST(:campaign_id AS text) = '' OR job.campaign_id = CAST(:campaign_id AS text))
  AND (CAST(:instance_id AS text) = '' OR job.instance_id = CAST(:instance_id AS text))
ORDER BY job.intent_id DESC
LIMIT :jobs
