-- Make jobs runnable whose pauses have all ended; their lanes keep the pace. What is due already needs no release.
WITH held AS MATERIALIZED (
  SELECT job.organization_id, job.intent_id
  FROM job
  WHERE job.held_by IS NOT NULL
    AND job.next_attempt_at > statement_timestamp()
    AND NOT job.held_by && CAST(:live_ids AS uuid[])
  ORDER BY job.next_attempt_at
  LIMIT :jobs
  FOR UPDATE SKIP LOCKED
)
UPDATE job
SET
  next_attempt_at = statement_timestamp(),
  reason = ''
FROM held
WHERE job.organization_id = held.organization_id
  AND job.intent_id = held.intent_id
  AND job.state = 'READY'
