-- Let go of jobs that are over, with their attempts. What somebody may still settle, UNKNOWN and DEAD, stays, nameless.
WITH owner AS (
  SELECT DISTINCT lane.organization_id
  FROM lane
),
old AS MATERIALIZED (
  SELECT job.organization_id, job.intent_id, job.state IN ('UNKNOWN', 'DEAD') AS open
  FROM owner
  CROSS JOIN LATERAL (
    SELECT past.organization_id, past.intent_id, past.state
    FROM job AS past
    WHERE past.organization_id = owner.organization_id
      AND past.intent_id < CAST(:floor AS uuid)
      AND past.state NOT IN ('READY', 'SENDING')
      AND (past.recipient IS NOT NULL OR past.state NOT IN ('UNKNOWN', 'DEAD'))
    ORDER BY past.intent_id
    LIMIT :most
    FOR UPDATE SKIP LOCKED
  ) AS job
  LIMIT :most
),
gone_attempts AS (
  DELETE FROM attempt
  USING old
  WHERE attempt.organization_id = old.organization_id
    AND attempt.intent_id = old.intent_id
    AND NOT old.open
),
nameless_attempts AS (
  UPDATE attempt
  SET provider_message_id = ''
  FROM old
  WHERE attempt.organization_id = old.organization_id
    AND attempt.intent_id = old.intent_id
    AND old.open
),
gone AS (
  DELETE FROM job
  USING old
  WHERE job.organization_id = old.organization_id
    AND job.intent_id = old.intent_id
    AND NOT old.open
),
nameless AS (
  UPDATE job
  SET
    recipient = NULL,
    content = NULL,
    recipient_id = ''
  FROM old
  WHERE job.organization_id = old.organization_id
    AND job.intent_id = old.intent_id
    AND old.open
)
SELECT count(*) AS jobs
FROM old
