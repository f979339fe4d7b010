-- READY jobs whose approval or life has ended, whatever else they wait for.
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
WHERE job.lapses_at <= statement_timestamp()
  AND job.next_attempt_at > '-infinity'
ORDER BY job.lapses_at
LIMIT :jobs
FOR UPDATE OF job SKIP LOCKED
