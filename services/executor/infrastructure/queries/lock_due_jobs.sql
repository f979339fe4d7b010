-- READY jobs of the named scopes that are due, first come first, with a bound for each scope and for all.
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
FROM unnest(
  CAST(:organization_ids AS text[]),
  CAST(:instance_ids AS text[]),
  CAST(:campaign_ids AS text[])
) AS scope (organization_id, instance_id, campaign_id)
CROSS JOIN LATERAL (
  SELECT due.*
  FROM job AS due
  WHERE due.organization_id = scope.organization_id
    AND due.instance_id = scope.instance_id
    AND due.campaign_id = scope.campaign_id
    AND due.next_attempt_at <= statement_timestamp()
    AND due.state = 'READY'
  ORDER BY due.next_attempt_at
  LIMIT :per_scope
  FOR UPDATE OF due SKIP LOCKED
) AS job
LEFT JOIN lane
  ON lane.organization_id = job.organization_id
  AND lane.instance_id = job.instance_id
LIMIT :jobs
