-- Say on due jobs why they wait. Their time stays as it is: they go on as soon as control answers.
WITH due AS MATERIALIZED (
  SELECT job.organization_id, job.intent_id
  FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:instance_ids AS text[]),
    CAST(:campaign_ids AS text[])
  ) AS scope (organization_id, instance_id, campaign_id)
  CROSS JOIN LATERAL (
    SELECT waiting.organization_id, waiting.intent_id
    FROM job AS waiting
    WHERE waiting.organization_id = scope.organization_id
      AND waiting.instance_id = scope.instance_id
      AND waiting.campaign_id = scope.campaign_id
      AND waiting.next_attempt_at <= statement_timestamp()
      AND waiting.reason <> 'CONTROL_UNREACHABLE'
    ORDER BY waiting.next_attempt_at
    LIMIT :per_scope
    FOR UPDATE SKIP LOCKED
  ) AS job
  LIMIT :jobs
)
UPDATE job
SET reason = 'CONTROL_UNREACHABLE'
FROM due
WHERE job.organization_id = due.organization_id
  AND job.intent_id = due.intent_id
  AND job.state = 'READY'
