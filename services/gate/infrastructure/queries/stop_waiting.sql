DELETE FROM waiting
USING unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
WHERE waiting.organization_id = given.organization_id
  AND waiting.intent_id = given.intent_id
