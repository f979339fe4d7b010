-- Forget whom jobs are for, what they say, and the provider's ids of their messages, which hold the number. What waits or is
-- being sent needs them.
WITH forgotten AS (
  UPDATE job
  SET
    recipient = NULL,
    content = NULL,
    recipient_id = ''
  FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS named (organization_id, intent_id)
  WHERE job.organization_id = named.organization_id
    AND job.intent_id = named.intent_id
    AND job.state NOT IN ('READY', 'SENDING')
  RETURNING job.organization_id, job.intent_id
)
UPDATE attempt
SET provider_message_id = ''
FROM forgotten
WHERE attempt.organization_id = forgotten.organization_id
  AND attempt.intent_id = forgotten.intent_id
