UPDATE waiting
SET waits_for = 'RESUME',
    due_at = waiting.expire_time
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
WHERE waiting.organization_id = given.organization_id
  AND waiting.intent_id = given.intent_id
  AND waiting.due_at <= CAST(:now AS timestamptz)
  AND waiting.expire_time > CAST(:now AS timestamptz)
