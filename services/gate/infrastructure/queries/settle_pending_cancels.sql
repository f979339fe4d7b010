DELETE FROM pending_cancel
USING unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
WHERE pending_cancel.organization_id = given.organization_id
  AND pending_cancel.intent_id = given.intent_id
